/** How many to trade: a quantity, an amount of money, or a share of the buying power, as a quantity in whole lots. Pure. */
import { isDecimal } from "./decimals";
import type { DecimalText } from "./messages";
import { fromTicks } from "./ticks";

export type SizeUnit = "quantity" | "notional" | "percent";

export interface SizeContext {
  readonly lot: DecimalText;
  /** What one is reckoned at: its limit or stop, or the touch; null where there is none. */
  readonly price: DecimalText | null;
  /** Null where the account's is not checked, and so not known. */
  readonly buyingPower: DecimalText | null;
}

/** A decimal as a fraction of integers. */
function fraction(text: DecimalText): readonly [bigint, bigint] {
  const [whole = "", part = ""] = text.trim().replace("+", "").split(".");
  return [BigInt(whole + part || "0"), 10n ** BigInt(part.length)];
}

/** The quantity, rounded down to whole lots, or why there is none. */
export function sized(text: string, unit: SizeUnit, context: SizeContext): { quantity: DecimalText } | { problem: string } {
  if (!isDecimal(text)) return { problem: "Enter a number" };
  if (unit === "quantity") return { quantity: text.trim() };
  const { lot, price, buyingPower } = context;
  if (price === null || !isDecimal(price)) return { problem: "A price is needed to reckon with" };
  const [money, moneyPer] = fraction(text);
  let [top, bottom] = [money, moneyPer];
  if (unit === "percent") {
    if (buyingPower === null) return { problem: "This account's buying power is not limited" };
    const [power, powerPer] = fraction(buyingPower);
    [top, bottom] = [money * power, moneyPer * powerPer * 100n];
  }
  const [priced, pricedPer] = fraction(price);
  const [lotted, lottedPer] = fraction(lot);
  if (priced <= 0n || top <= 0n) return { problem: "Nothing can be bought with that" };
  const lots = (top * pricedPer * lottedPer) / (bottom * priced * lotted);
  if (lots === 0n) return { problem: `Less than one lot of ${lot}` };
  return { quantity: fromTicks(Number(lots), lot) };
}
