import { describe, expect, test } from "vitest";
import { expiresNs, fieldOf, listed, missing, type Draft } from "../src/lib/order";
import { TicketDraft } from "../src/lib/ticket.svelte";

function draft(changes: Partial<Draft>): Draft {
  return Object.assign(new TicketDraft(), { size: "10", limitPrice: "190", takeProfit: "210", stopLoss: "170", thenPrice: "200" }, changes);
}

const legs = (changes: Partial<Draft>, kind: "oco" | "oto" | "bracket") => listed(draft({ kind, ...changes }), kind, "10", "demo", "AAPL").orders;

describe("a list", () => {
  test("bracket: an entry, its take-profit, its stop-loss", () => {
    expect(legs({}, "bracket")).toEqual([
      { side: "buy", order_type: "limit", time_in_force: "day", quantity: "10", limit_price: "190" },
      { side: "sell", order_type: "limit", time_in_force: "gtc", quantity: "10", limit_price: "210" },
      { side: "sell", order_type: "stop", time_in_force: "gtc", quantity: "10", stop_price: "170" },
    ]);
  });

  test("oco: two exits of the ticket's side", () => {
    expect(legs({ side: "sell" }, "oco").map(({ side, order_type }) => [side, order_type])).toEqual([["sell", "limit"], ["sell", "stop"]]);
  });

  test("oto: what follows is of the other side", () => {
    const [first, then] = legs({ thenType: "stop", selfTrade: "cancel_newest" }, "oto");
    expect(first).toMatchObject({ side: "buy", self_trade_prevention: "cancel_newest" });
    expect(then).toMatchObject({ side: "sell", order_type: "stop", stop_price: "200", self_trade_prevention: "cancel_newest" });
  });

  test("lacks the prices of its legs, and an OCO needs no entry", () => {
    const none = { takeProfit: "", stopLoss: "", thenPrice: "", limitPrice: "" };
    expect(Object.keys(missing(draft({ kind: "oco", ...none })))).toEqual(["take_profit", "stop_loss"]);
    expect(Object.keys(missing(draft({ kind: "oto", ...none })))).toEqual(["limit_price", "then_price"]);
    expect(missing(draft({ kind: "bracket" }))).toEqual({});
  });

  test.each([
    ["orders[0].limit_price", "bracket", "limit_price"],
    ["orders[1].limit_price", "bracket", "take_profit"],
    ["orders[2].stop_price", "bracket", "stop_loss"],
    ["orders[0].limit_price", "oco", "take_profit"],
    ["orders[1].stop_price", "oco", "stop_loss"],
    ["orders[1].limit_price", "oto", "then_price"],
    ["orders[1].quantity", "bracket", "quantity"],
    ["expires_ns", "single", null],
  ] as const)("is refused at its field: %s of %s", (name, kind, field) => {
    expect(fieldOf(name, draft({ kind }))).toBe(field);
  });
});

test("an order until a moment", () => {
  const until = draft({ timeInForce: "gtd", expires: "2026-11-30T16:00" });
  expect(missing(until)).toEqual({});
  expect(expiresNs("2026-11-30T16:00")).toBe(new Date("2026-11-30T16:00").getTime() * 1e6);
  expect(Object.keys(missing(draft({ timeInForce: "gtd", expires: "" })))).toEqual(["expires_ns"]);
  expect(fieldOf("expires_ns", until)).toBe("expires_ns");
});
