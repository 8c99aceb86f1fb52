import type { TopicStore } from "../feed.svelte";
import type { Pnl } from "../messages";

/** Topic `pnl`: each account marked to the market, as the server computed it. */
export class PnlStore implements TopicStore<Pnl> {
  byAccount = $state.raw<ReadonlyMap<string, Pnl>>(new Map());
  /** Whether the server has said what there is: an account without a record then has never traded. */
  known = $state(false);

  snapshot(records: readonly Pnl[]): void {
    this.known = true;
    this.byAccount = new Map(records.map((pnl) => [pnl.account, pnl]));
  }

  apply(records: readonly Pnl[]): void {
    const next = new Map(this.byAccount);
    for (const pnl of records) next.set(pnl.account, pnl);
    this.byAccount = next;
  }
}
