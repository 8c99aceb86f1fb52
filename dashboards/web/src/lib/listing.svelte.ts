/** A list that the server gives page by page: with filters, more on demand, and all of it for a file. */
import { Problem, Unreachable, type Page } from "./api";

const PAGE = 100;
const FILE_PAGE = 1000;
const FILE_MOST = 50_000;

type Fetch<Record> = (limit: number, cursor: string | null) => Promise<Page<Record>>;

export class Listing<Record> {
  records = $state.raw<readonly Record[]>([]);
  /** Whether there is more; what to say instead of records. */
  next = $state<string | null>(null);
  note = $state("Loading…");
  busy = $state(false);
  private choice = 0;

  constructor(private readonly fetch: Fetch<Record>) {}

  /** From the beginning, as the filters are now. */
  async load(): Promise<void> {
    const choice = ++this.choice;
    await this.attempt(async () => {
      const page = await this.fetch(PAGE, null);
      if (choice !== this.choice) return;
      this.records = page.records;
      this.next = page.next;
      this.note = "Nothing matches";
    });
  }

  async more(): Promise<void> {
    const choice = this.choice;
    await this.attempt(async () => {
      const page = await this.fetch(PAGE, this.next);
      if (choice !== this.choice) return;
      this.records = [...this.records, ...page.records];
      this.next = page.next;
    });
  }

  /** All that matches, at most 50,000. */
  async all(): Promise<readonly Record[]> {
    let records: readonly Record[] = [];
    await this.attempt(async () => {
      let page = await this.fetch(FILE_PAGE, null);
      records = page.records;
      while (page.next !== null && records.length < FILE_MOST) {
        page = await this.fetch(FILE_PAGE, page.next);
        records = [...records, ...page.records];
      }
    });
    return records;
  }

  private async attempt(request: () => Promise<void>): Promise<void> {
    this.busy = true;
    try {
      await request();
    } catch (error) {
      if (!(error instanceof Problem || error instanceof Unreachable)) throw error;
      this.records = [];
      this.next = null;
      this.note = error.message;
    } finally {
      this.busy = false;
    }
  }
}
