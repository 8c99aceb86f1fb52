import type { TopicStore } from "../feed.svelte";
import type { Position } from "../messages";

/** Topic `positions`: what the server has confirmed, by account and symbol. Nothing is ever added here by the page. */
export class PositionsStore implements TopicStore<Position> {
  all = $state.raw<readonly Position[]>([]);
  /** Whether the server has said what there is: before that, nothing is known. */
  known = $state(false);
  private byKey = new Map<string, Position>();

  snapshot(records: readonly Position[]): void {
    this.known = true;
    this.byKey = new Map();
    this.apply(records);
  }

  apply(records: readonly Position[]): void {
    for (const position of records) this.byKey.set(`${position.account}|${position.symbol}`, position);
    this.all = [...this.byKey.values()].sort((a, b) => (a.symbol < b.symbol ? -1 : a.symbol > b.symbol ? 1 : 0));
  }

  of(account: string, symbol: string): Position | null {
    return this.all.find((position) => position.account === account && position.symbol === symbol) ?? null;
  }
}
