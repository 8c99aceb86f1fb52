import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Risk } from "../src/lib/api";
import { csv } from "../src/lib/csv";
import { areaPath, depthOf } from "../src/lib/depth";
import { changeText, duration } from "../src/lib/format";
import { commandOf, HOTKEYS } from "../src/lib/hotkeys";
import type { Book, Fill, Order, Pnl, Position } from "../src/lib/messages";
import { fillMarks, widened } from "../src/lib/pricechart";
import { restored } from "../src/lib/preferences.svelte";
import { usages } from "../src/lib/risk";
import { found } from "../src/lib/search";
import { nextOrder, sorted, type Column } from "../src/lib/table";
import { closing } from "../src/lib/trading.svelte";
import { isoTime } from "../src/lib/columns";
import { startNs } from "../src/lib/filters.svelte";

describe("depth", () => {
  const book = { bids: [["99", "5", 1], ["98", "3", 1]], asks: [["101", "4", 1], ["103", "6", 1]] } as unknown as Book;

  test("adds up from the middle, as wide on either side", () => {
    const depth = depthOf(book)!;
    expect(depth.bids.map(({ total }) => total)).toEqual([5, 8]);
    expect(depth.asks.map(({ total }) => total)).toEqual([4, 10]);
    expect([depth.low, depth.high, depth.most]).toEqual([97, 103, 10]);
    expect(areaPath(depth, "bids", 60, 100)).toBe("M20.0,100.0V53.0H10.0V24.8H0V100H20.0Z");
    expect(depthOf({ ...book, asks: [] })).toBeNull();
  });
});

describe("a file of comma-separated values", () => {
  test("quotes what must be, and runs nothing", () => {
    expect(csv(["a", "b"], [["1,5", 'say "x"'], ["-12.5", "=1+1"], ["-x", "line\nbreak"]])).toBe(
      'a,b\r\n"1,5","say ""x"""\r\n-12.5,\'=1+1\r\n\'-x,"line\nbreak"\r\n',
    );
  });

  test("has times to the nanosecond", () => {
    expect(isoTime("1796000000123456789")).toMatch(/^2026-\d\d-\d\dT\d\d:\d\d:\d\d\.123456789Z$/);
  });
});

describe("keys", () => {
  const press = (key: string, changes: object = {}) =>
    commandOf({ key, ctrlKey: false, metaKey: false, altKey: false, repeat: false, ...changes });

  test("mean one thing each, and nothing with another modifier or held down", () => {
    expect(new Set(HOTKEYS.map(({ key }) => key)).size).toBe(HOTKEYS.length);
    expect([press("b"), press("B"), press("/")]).toEqual(["buy", "buy_now", "search"]);
    expect([press("c", { ctrlKey: true }), press("f", { repeat: true }), press("z")]).toEqual([null, null, null]);
  });
});

test("the keys are those of docs/terminal.md", () => {
  const doc = readFileSync(new URL("../../../docs/terminal.md", import.meta.url), "utf8");
  const rows = [...doc.matchAll(/^\| `(.+)` \| (.+) \|$/gm)].map(([, key, text]) => [key, text]);
  expect(rows).toEqual(HOTKEYS.map(({ shown, text }) => [shown, text]));
});

describe("marks of fills", () => {
  const fill = (seconds: number, side: string, quantity: string, price: string) =>
    ({ ts_ns: `${BigInt(seconds) * 1_000_000_000n}`, transact_ns: "0", side, quantity, price }) as Fill;

  test("are one for each candle and side, at their average", () => {
    const marks = fillMarks([fill(70, "buy", "1", "12"), fill(61, "buy", "3", "8"), fill(65, "sell", "1", "9"), fill(5, "buy", "1", "1")], 60);
    expect(marks).toEqual([
      { time_s: 0, side: "buy", quantity: 1, price: 1 },
      { time_s: 60, side: "buy", quantity: 4, price: 9 },
      { time_s: 60, side: "sell", quantity: 1, price: 9 },
    ]);
  });
});

test("orders near the candles widen the chart, those far away do not", () => {
  expect(widened(100, 102, [99, 103.5, 90, NaN])).toEqual([99, 103.5]);
  expect(widened(100, 100, [99.95, 99])).toEqual([99.95, 100]);
});

describe("limits used", () => {
  const limits = { max_order_quantity: null, max_order_notional: null, price_collar_ppm: null };
  const risk = {
    margin_multiple: "2",
    limits: [
      { symbol: "AAPL", max_long: "100", max_short: "50", max_open_orders: null, ...limits },
      { symbol: null, max_long: null, max_short: null, max_open_orders: 4, ...limits },
    ],
  } as unknown as Risk;
  const position = { symbol: "AAPL", quantity: "30" } as Position;
  const working = (symbol: string, side: string, leaves_quantity: string) => ({ symbol, side, leaves_quantity, status: "new", reduce_only: false }) as Order;

  test("count what is open with what is held", () => {
    const pnl = { equity: "1000", gross_exposure: "500" } as Pnl;
    const found = usages(risk, pnl, [position], [working("AAPL", "buy", "20"), working("AAPL", "sell", "40"), working("MSFT", "buy", "1")]);
    expect(found.map(({ name, symbol, used, limit }) => [symbol, name, used, limit])).toEqual([
      [null, "Gross exposure of buying power", 500, 2000],
      ["AAPL", "Long", 50, 100],
      ["AAPL", "Short", 10, 50],
      ["MSFT", "Open orders", 1, 4],
    ]);
  });
});

describe("tables", () => {
  const columns: Column<{ n: number }>[] = [{ id: "n", title: "N", text: ({ n }) => `${n}`, sort: ({ n }) => n }];

  test("sort down, then up, then as they came", () => {
    const rows = [{ n: 2 }, { n: 10 }, { n: 1 }];
    const down = nextOrder(null, "n");
    const up = nextOrder(down, "n");
    expect(sorted(rows, columns, down).map(({ n }) => n)).toEqual([10, 2, 1]);
    expect(sorted(rows, columns, up).map(({ n }) => n)).toEqual([1, 2, 10]);
    expect(sorted(rows, columns, nextOrder(up, "n"))).toBe(rows);
  });
});

test("a position closes by its opposite", () => {
  expect(closing("-2.5")).toEqual({ side: "buy", quantity: "2.5" });
  expect(closing("3")).toEqual({ side: "sell", quantity: "3" });
  expect(closing("0.00")).toBeNull();
});

test("a symbol is found by its letters, then by its description", () => {
  const all = [
    { symbol: "MSFT", description: "Microsoft" },
    { symbol: "SOFT", description: "x" },
    { symbol: "AAPL", description: "Apple, soft fruit" },
  ];
  expect(found(all, "soft").map(({ symbol }) => symbol)).toEqual(["SOFT", "MSFT", "AAPL"]);
  expect(found(all, "")).toHaveLength(3);
});

test("preferences that cannot be are the usual ones", () => {
  expect(restored({ theme: "pink", confirm: "no", interval: -1, watchlist: ["A", 1], quick: { A: "5", B: 5 } })).toMatchObject({
    theme: "dark",
    confirm: true,
    interval: 60,
    watchlist: ["A"],
    quick: { A: "5" },
  });
  expect(restored({ confirm: false, sound: true })).toMatchObject({ confirm: false, sound: true });
});

test("how things read", () => {
  expect([changeText(100, 101.234), changeText(100, 99), changeText(100, 100.001), changeText(null, 1)]).toEqual(["+1.23%", "−1.00%", "0.00%", null]);
  expect([850, 12_300, 125_000, 7_200_000, 259_200_000].map(duration)).toEqual(["850 ms", "12 s", "2 min", "2 h", "3 d"]);
  expect(startNs("hour", new Date(3_600_000 * 5))).toBe("14400000000000");
  expect(startNs("all", new Date())).toBe("");
});
