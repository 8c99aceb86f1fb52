import { afterEach, beforeEach, expect, test } from "vitest";
import type { Api } from "../src/lib/api";
import { CandlesStore, type Bar } from "../src/lib/candles.svelte";
import type { Trade } from "../src/lib/messages";

let store: CandlesStore;
let drawn: Bar[];

beforeEach(async () => {
  store = new CandlesStore({ candles: () => Promise.resolve([]) } as unknown as Api);
  await store.select("AAPL", 60);
  drawn = [];
  store.attach({ replace: () => {}, update: (bar) => drawn.push(bar) });
});

afterEach(() => store.close());

function trade(second: number, price: string, quantity = "10"): Trade {
  return { ts_ns: `${second}000000000`, transact_ns: "0", price, quantity } as Trade;
}

test("trades of one bar draw it once", () => {
  store.apply([trade(60, "10"), trade(61, "12"), trade(62, "11")]);
  expect(drawn).toEqual([{ time_s: 60, open: 10, high: 12, low: 10, close: 11, volume: 30 }]);
});

test("a bar that begins among them is drawn after the one before", () => {
  store.apply([trade(60, "10")]);
  store.apply([trade(70, "9"), trade(120, "8"), trade(130, "7")]);
  expect(drawn.slice(1)).toEqual([
    { time_s: 60, open: 10, high: 10, low: 9, close: 9, volume: 20 },
    { time_s: 120, open: 8, high: 8, low: 7, close: 7, volume: 20 },
  ]);
});

test("what belongs to an earlier bar is left to the server", () => {
  store.apply([trade(120, "8")]);
  store.apply([trade(60, "10")]);
  expect(drawn).toHaveLength(1);
});
