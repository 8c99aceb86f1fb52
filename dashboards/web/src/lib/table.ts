/** What a table shows: its columns, how they sort, and how they are written to a file. Pure. */
import { csv } from "./csv";

export interface Column<Row> {
  readonly id: string;
  readonly title: string;
  readonly text: (row: Row) => string;
  /** What rows are sorted by, where it is not the text; also what is written to a file where it is text. */
  readonly sort?: (row: Row) => number | bigint | string;
  /** As it stands in a file, where that is not the text on screen. */
  readonly file?: (row: Row) => string;
  readonly number?: boolean;
  readonly tone?: (row: Row) => string;
  readonly hint?: (row: Row) => string | undefined;
  /** Left away on a phone. */
  readonly roomy?: boolean;
  /** Drawn by the table's `cell` snippet. */
  readonly custom?: boolean;
}

export interface Order {
  readonly column: string;
  readonly down: boolean;
}

/** Down first, then up, then as it came. */
export function nextOrder(now: Order | null, column: string): Order | null {
  if (now === null || now.column !== column) return { column, down: true };
  return now.down ? { column, down: false } : null;
}

export function sorted<Row>(rows: readonly Row[], columns: readonly Column<Row>[], order: Order | null): readonly Row[] {
  const column = columns.find(({ id }) => id === order?.column);
  if (column === undefined || order === null) return rows;
  const key = column.sort ?? column.text;
  const way = order.down ? -1 : 1;
  return [...rows].sort((a, b) => {
    const [left, right] = [key(a), key(b)];
    return left < right ? -way : left > right ? way : 0;
  });
}

export function fileOf<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string {
  return csv(
    columns.map(({ title }) => title),
    rows.map((row) => columns.map((column) => (column.file ?? column.text)(row))),
  );
}
