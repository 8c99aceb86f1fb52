import { describe, expect, test } from "vitest";
import { add, compare, isDecimal, multiply, rounded, stepped, subtract } from "../src/lib/decimals";
import { money, signedMoney } from "../src/lib/format";

describe("decimals", () => {
  test("are exact", () => {
    expect(add("0.1", "0.2")).toBe("0.3");
    expect(subtract("1", "1.000001")).toBe("-0.000001");
    expect(multiply("190.12", "0.0001")).toBe("0.019012");
    expect(compare("1.50", "1.5")).toBe(0);
    expect(compare("-2", "1")).toBe(-1);
  });

  test.each([
    ["1.005", 2, "1.01"],
    ["-1.005", 2, "-1.01"],
    ["-0.004", 2, "0.00"],
    ["7", 2, "7.00"],
    ["999999.995", 2, "1000000.00"],
  ])("%s rounded to %i places is %s", (text, places, expected) => {
    expect(rounded(text, places)).toBe(expected);
  });

  test.each([
    ["190.00", "0.01", 1, "190.01"],
    ["190.00", "0.01", -10, "189.90"],
    ["190.005", "0.01", 1, "190.01"],
    ["190.005", "0.01", -1, "190.00"],
    ["68000.25", "0.50", 2, "68001.00"],
    ["0", "0.0001", -1, "0.0001"],
  ])("%s moved by %s × %i is %s", (text, step, count, expected) => {
    expect(stepped(text, step, count)).toBe(expected);
  });

  test("as people type them", () => {
    expect(["1", "1.", ".5", " 2.50 ", "-3"].every(isDecimal)).toBe(true);
    expect(["", ".", "1e3", "1,000", "abc", "1.2.3"].some(isDecimal)).toBe(false);
  });
});

describe("money", () => {
  test("has groups, cents and a sign", () => {
    expect(money("1000123.456789")).toBe("1,000,123.46");
    expect(signedMoney("12.3")).toBe("+12.30");
    expect(signedMoney("-1234.5")).toBe("−1,234.50");
    expect(signedMoney("-0.001")).toBe("0.00");
  });
});
