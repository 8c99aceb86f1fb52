import type { TopicStore } from "../feed.svelte";
import type { Book } from "../messages";

/** Topic `book:SYMBOL`: the latest depth of the symbol on screen. Each record is a whole book. */
export class BookStore implements TopicStore<Book> {
  book = $state.raw<Book | null>(null);

  snapshot(records: readonly Book[]): void {
    this.book = records.at(-1) ?? null;
  }

  apply(records: readonly Book[]): void {
    this.book = records.at(-1) ?? this.book;
  }

  clear(): void {
    this.book = null;
  }
}
