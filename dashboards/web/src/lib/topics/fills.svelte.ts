import type { TopicStore } from "../feed.svelte";
import type { Fill } from "../messages";
import { merged } from "./sequence";

const MOST = 500;

/** Topic `fills`: the recent fills of the user's accounts, newest first. */
export class FillsStore implements TopicStore<Fill> {
  recent = $state.raw<readonly Fill[]>([]);
  /** Whether the server has said what there is: before that, nothing is known. */
  known = $state(false);

  /** `onfresh` is told of fills as they happen, not of those of a snapshot. */
  constructor(private readonly onfresh: (fills: readonly Fill[]) => void = () => {}) {}

  snapshot(records: readonly Fill[]): void {
    this.known = true;
    this.recent = merged([], records, MOST);
  }

  apply(records: readonly Fill[]): void {
    this.recent = merged(this.recent, records, MOST);
    this.onfresh(records);
  }
}
