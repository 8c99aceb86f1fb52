import type { TopicStore } from "../feed.svelte";
import { WORKING, type Order } from "../messages";

/** Topic `orders`: the working orders of the user's accounts, newest first, exactly as the server last reported them. */
export class OrdersStore implements TopicStore<Order> {
  working = $state.raw<readonly Order[]>([]);
  /** Whether the server has said what there is: before that, nothing is known. */
  known = $state(false);
  private byId = new Map<string, Order>();

  snapshot(records: readonly Order[]): void {
    this.known = true;
    this.byId = new Map();
    this.apply(records);
  }

  apply(records: readonly Order[]): void {
    for (const order of records) {
      if (WORKING.includes(order.status)) this.byId.set(order.order_id, order);
      else this.byId.delete(order.order_id);
    }
    this.working = [...this.byId.values()].sort((a, b) => Number(BigInt(b.order_id) - BigInt(a.order_id)));
  }
}
