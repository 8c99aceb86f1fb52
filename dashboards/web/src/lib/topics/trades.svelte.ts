import type { TopicStore } from "../feed.svelte";
import type { Trade } from "../messages";
import { merged } from "./sequence";

const MOST = 200;

/** Topic `trades:SYMBOL`: the tape of the symbol on screen, newest first. */
export class TradesStore implements TopicStore<Trade> {
  tape = $state.raw<readonly Trade[]>([]);

  snapshot(records: readonly Trade[]): void {
    this.tape = merged([], records, MOST);
  }

  apply(records: readonly Trade[]): void {
    this.tape = merged(this.tape, records, MOST);
  }

  clear(): void {
    this.tape = [];
  }
}
