import { describe, expect, test } from "vitest";
import { sized } from "../src/lib/sizing";

const STOCK = { lot: "1", price: "190.00", buyingPower: "10000" };

describe("a size", () => {
  test.each([
    ["7", "quantity", STOCK, "7"],
    ["1000", "notional", STOCK, "5"],
    ["949.99", "notional", STOCK, "4"],
    ["50", "percent", STOCK, "26"],
    ["1000", "notional", { ...STOCK, lot: "0.0001", price: "68000.50" }, "0.0147"],
    ["33.3", "percent", { lot: "0.01", price: "3", buyingPower: "100.5" }, "11.15"],
  ] as const)("%s by %s", (text, unit, context, quantity) => {
    expect(sized(text, unit, context)).toEqual({ quantity });
  });

  test.each([
    ["", "quantity", STOCK, "Enter a number"],
    ["1e3", "notional", STOCK, "Enter a number"],
    ["100", "notional", { ...STOCK, price: null }, "A price is needed"],
    ["10", "percent", { ...STOCK, buyingPower: null }, "not limited"],
    ["10", "notional", STOCK, "Less than one lot"],
    ["0", "notional", STOCK, "Nothing"],
  ] as const)("that cannot be: %s by %s", (text, unit, context, says) => {
    const found = sized(text, unit, context);
    expect("problem" in found ? found.problem : "").toContain(says);
  });
});
