import { describe, expect, test } from "vitest";
import { fittingGroup, followed, middle, ownByRow, rowOf, rungs } from "../src/lib/ladder";
import type { Book, Order } from "../src/lib/messages";
import { fromTicks, onTick, toTicks } from "../src/lib/ticks";

const BOOK = {
  bids: [["100.00", "5", 1], ["99.99", "7", 2], ["99.95", "1", 1]],
  asks: [["100.02", "4", 1], ["100.03", "10", 3]],
} as unknown as Book;

function order(changes: Partial<Order>): Order {
  return { side: "buy", limit_price: "99.99", stop_price: null, leaves_quantity: "2", ...changes } as Order;
}

describe("ticks", () => {
  test.each([
    ["100.02", "0.01", 10002],
    ["68000.5", "0.50", 136001],
    ["3", "0.25", 12],
    ["0.00000001", "0.00000001", 1],
  ])("%s in ticks of %s is %i, and back", (price, tick, ticks) => {
    expect(toTicks(price, tick)).toBe(ticks);
    expect(Number(fromTicks(ticks, tick))).toBe(Number(price));
  });

  test("a price between two goes where it is told to", () => {
    expect(toTicks("100.005", "0.01")).toBe(10000);
    expect(toTicks("100.005", "0.01", "ceil")).toBe(10001);
    expect([onTick(100.0149, "0.01"), onTick(-5, "0.01")]).toEqual(["100.01", "0.01"]);
  });
});

describe("rows", () => {
  test("run from the highest price down, a row a tick, whether anybody quotes there or not", () => {
    const view = rungs(BOOK, new Map(), "0.01", { centre: 10001, rows: 5, group: 1 });
    expect(view.map(({ price, bid, ask }) => [price, bid, ask])).toEqual([
      ["100.03", null, "10"],
      ["100.02", null, "4"],
      ["100.01", null, null],
      ["100.00", "5", null],
      ["99.99", "7", null],
    ]);
    expect(view.map(({ best }) => best)).toEqual([null, "sell", null, "buy", null]);
    expect(view.map(({ askShare, bidShare }) => askShare + bidShare)).toEqual([1, 0.4, 0, 0.5, 0.7]);
  });

  test("of several ticks show no price as better than it is", () => {
    expect([rowOf("100.03", "0.01", "buy", 5), rowOf("100.03", "0.01", "sell", 5)]).toEqual([10000, 10005]);
    const view = rungs(BOOK, new Map(), "0.01", { centre: 10000, rows: 3, group: 5 });
    expect(view.map(({ price, bid, ask }) => [price, bid, ask])).toEqual([
      ["100.05", null, "14"],
      ["100.00", "5", null],
      ["99.95", "8", null],
    ]);
  });

  test("hold own orders, summed, a stop at its stop price", () => {
    const own = ownByRow([order({}), order({ leaves_quantity: "1.5" }), order({ side: "sell", limit_price: null, stop_price: "99.95" })], "0.01", 1);
    expect(own.get("buy9999")?.quantity).toBe("3.5");
    expect(own.get("sell9995")?.quantity).toBe("2");
    expect(ownByRow([order({ limit_price: null })], "0.01", 1).size).toBe(0);
  });

  test("never go below one tick", () => {
    expect(rungs(null, new Map(), "0.01", { centre: 2, rows: 9, group: 1 }).map(({ ticks }) => ticks)).toEqual([6, 5, 4, 3, 2, 1]);
  });
});

describe("the middle of the view", () => {
  test("stands still until the market nears its edge", () => {
    expect(followed(null, 100, 20, 1)).toBe(100);
    expect(followed(100, 107, 20, 1)).toBe(100);
    expect(followed(100, 108, 20, 1)).toBe(108);
    expect(followed(100, null, 20, 1)).toBe(100);
  });

  test("is that of the book, or of its only side", () => {
    expect(middle(BOOK, "0.01")).toBe(10001);
    expect(middle({ ...BOOK, asks: [] }, "0.01")).toBe(10000);
    expect(middle(null, "0.01")).toBeNull();
  });

  test("sees about eight levels a side", () => {
    expect(fittingGroup(BOOK, "0.01", 20)).toBe(1);
    expect(fittingGroup({ ...BOOK, bids: [["90.00", "1", 1]] }, "0.01", 20)).toBe(100);
  });
});
