import { describe, expect, test } from "vitest";
import { orderPrice, phaseText } from "../src/lib/format";
import { fieldOf, missing, timeOf, timesOf, written, type Draft } from "../src/lib/order";
import { TicketDraft } from "../src/lib/ticket.svelte";

function draft(changes: Partial<Draft>): Draft {
  return Object.assign(new TicketDraft(), { size: "10", ...changes });
}

const BASE = { account: "demo", symbol: "AAPL", side: "buy", quantity: "10" };

describe("an order of each type holds what its type has", () => {
  const texts = { limitPrice: "190", stopPrice: "195", trail: "2", displayQuantity: "3", postOnly: true } as const;
  test.each([
    [{ orderType: "limit" }, { time_in_force: "day", limit_price: "190", display_quantity: "3", post_only: true }],
    [{ orderType: "limit", timeInForce: "fok" }, { time_in_force: "fok", limit_price: "190" }],
    [{ orderType: "limit", timeInForce: "cls" }, { time_in_force: "cls", limit_price: "190" }],
    [{ orderType: "market" }, { time_in_force: "day" }],
    [{ orderType: "market", timeInForce: "opg" }, { time_in_force: "opg" }],
    [{ orderType: "stop" }, { time_in_force: "day", stop_price: "195" }],
    [
      { orderType: "stop_limit", timeInForce: "gtc" },
      { time_in_force: "gtc", limit_price: "190", stop_price: "195", display_quantity: "3" },
    ],
    [{ orderType: "trailing_stop" }, { time_in_force: "day", trail_amount: "2" }],
    [{ orderType: "trailing_stop", trailUnit: "percent" }, { time_in_force: "day", trail_percent: "2" }],
    [{ orderType: "market", reduceOnly: true }, { time_in_force: "day", reduce_only: true }],
  ] as const)("%o", (changes, expected) => {
    const written_ = written(draft({ ...texts, ...changes }), "10", "demo", "AAPL");
    expect(written_).toEqual({ ...BASE, order_type: changes.orderType, ...expected });
  });

  test("a time in force that the type does not have gives way to its usual one, and comes back", () => {
    expect(timeOf(draft({ orderType: "stop", timeInForce: "fok" }))).toBe("day");
    expect(timeOf(draft({ orderType: "limit", timeInForce: "fok" }))).toBe("fok");
    expect(timesOf("market")[0]).toBe("day");
  });
});

describe("what must be written", () => {
  test.each([
    [{ size: "" }, ["quantity", "limit_price"]],
    [{ orderType: "market" }, []],
    [{ orderType: "stop" }, ["stop_price"]],
    [{ orderType: "stop_limit" }, ["limit_price", "stop_price"]],
    [{ orderType: "trailing_stop" }, ["trail"]],
    [{ limitPrice: "190", displayQuantity: "some" }, ["display_quantity"]],
    [{ limitPrice: "190", displayQuantity: "some", timeInForce: "ioc" }, []],
  ] as const)("%o", (changes, fields) => {
    expect(Object.keys(missing(draft(changes))).sort()).toEqual([...fields].sort());
  });
});

describe("a refusal is shown at its field", () => {
  test.each([
    ["stop_price", "stop", "stop_price"],
    ["stop_price", "limit", null],
    ["limit_price", "market", null],
    ["trail_percent", "trailing_stop", "trail"],
    ["display_quantity", "limit", "display_quantity"],
    ["account", "limit", null],
  ] as const)("%s of %s", (name, orderType, field) => {
    expect(fieldOf(name, draft({ orderType }))).toBe(field);
  });
});

describe("a price from the ladder", () => {
  test.each([
    ["limit", "limit", "limitPrice"],
    ["stop_limit", "stop_limit", "limitPrice"],
    ["stop", "stop", "stopPrice"],
    ["market", "limit", "limitPrice"],
    ["trailing_stop", "limit", "limitPrice"],
  ] as const)("%s", (before, after, field) => {
    const ticket = new TicketDraft();
    ticket.orderType = before;
    ticket.fill("190.00");
    expect([ticket.orderType, ticket[field], ticket.filled]).toEqual([after, "190.00", 1]);
    ticket.clearPrices();
    expect(ticket[field]).toBe("");
  });
});

test("an order's prices", () => {
  expect(orderPrice({ limit_price: "190.00", stop_price: null })).toBe("190.00");
  expect(orderPrice({ limit_price: null, stop_price: null })).toBe("market");
  expect(orderPrice({ limit_price: null, stop_price: "195.00" })).toBe("stop 195.00, market");
  expect(orderPrice({ limit_price: "196.00", stop_price: "195.00" })).toBe("stop 195.00, 196.00");
});

test("a phase, or what its auction would trade", () => {
  expect(phaseText({ phase: "halted", indicative_price: null, indicative_quantity: null })).toBe("halted");
  expect(phaseText({ phase: "opening_auction", indicative_price: "190.00", indicative_quantity: "120" })).toBe(
    "auction 120 at 190.00",
  );
});
