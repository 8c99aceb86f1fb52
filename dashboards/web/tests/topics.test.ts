import { describe, expect, test } from "vitest";
import { joined, traded } from "../src/lib/candles.svelte";
import type { Order, OrderStatus } from "../src/lib/messages";
import { OrdersStore } from "../src/lib/topics/orders.svelte";
import { merged } from "../src/lib/topics/sequence";

function order(order_id: string, status: OrderStatus): Order {
  return { order_id, status } as Order;
}

function ids(store: OrdersStore): string[] {
  return store.working.map((working) => working.order_id);
}

describe("orders", () => {
  test("hold what works, newest first, until it ends", () => {
    const store = new OrdersStore();
    store.snapshot([order("9", "new"), order("10", "partially_filled"), order("8", "filled")]);
    expect(ids(store)).toEqual(["10", "9"]);
    store.apply([order("9", "canceled"), order("11", "new"), order("10", "filled")]);
    expect(ids(store)).toEqual(["11"]);
    store.snapshot([]);
    expect(ids(store)).toEqual([]);
  });
});

describe("sequenced records", () => {
  test("are merged newest first and cut", () => {
    const at = (seq: number, index: number) => ({ seq, index });
    expect(merged([at(2, 0), at(1, 1)], [at(3, 0), at(3, 2)], 3)).toEqual([at(3, 2), at(3, 0), at(2, 0)]);
  });
});

describe("candles", () => {
  const bar = (time_s: number, open: number, high: number, low: number, close: number, volume: number) => ({
    time_s,
    open,
    high,
    low,
    close,
    volume,
  });

  test("move with each trade", () => {
    const first = traded(null, 60, 10, 5);
    expect(first).toEqual(bar(60, 10, 10, 10, 10, 5));
    expect(traded(traded(first, 60, 12, 1), 60, 9, 2)).toEqual(bar(60, 10, 12, 9, 9, 8));
  });

  test("take the server's history, and for the newest interval the most of both", () => {
    const held = [bar(0, 1, 1, 1, 1, 1), bar(60, 5, 7, 5, 6, 10)];
    const fetched = [bar(0, 1, 2, 1, 2, 4), bar(60, 4, 6, 3, 5, 9)];
    expect(joined(held, fetched)).toEqual([bar(0, 1, 2, 1, 2, 4), bar(60, 4, 7, 3, 6, 10)]);
  });
});
