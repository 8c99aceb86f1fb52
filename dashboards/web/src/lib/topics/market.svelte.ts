import type { Book, Trade } from "../messages";
import { merged } from "./sequence";

const MOST = 200;

/** Topics `book:SYMBOL` and `trades:SYMBOL`: the latest depth of one symbol, and its tape, newest first. */
export class Market {
  book = $state.raw<Book | null>(null);
  tape = $state.raw<readonly Trade[]>([]);
  /** Whether the server has said what there is: before that, nothing is known. */
  known = $state(false);

  readonly books = {
    snapshot: (records: readonly Book[]): void => {
      this.known = true;
      this.book = records.at(-1) ?? null;
    },
    apply: (records: readonly Book[]): void => {
      this.book = records.at(-1) ?? this.book;
    },
  };

  readonly trades = {
    snapshot: (records: readonly Trade[]): void => {
      this.tape = merged([], records, MOST);
    },
    apply: (records: readonly Trade[]): void => {
      this.tape = merged(this.tape, records, MOST);
    },
  };

  get bid(): string | null {
    return this.book?.bids[0]?.[0] ?? null;
  }

  get ask(): string | null {
    return this.book?.asks[0]?.[0] ?? null;
  }

  get last(): string | null {
    return this.tape[0]?.price ?? null;
  }
}
