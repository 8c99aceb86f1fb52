/**
 * Exact arithmetic on decimal text, for display and for stepping a price by its tick. What the server sends is shown as
 * it is; nothing computed here is ever sent back except a number that the user sees in the ticket.
 */
import type { DecimalText } from "./messages";

interface Scaled {
  /** The number × 10^places. */
  readonly units: bigint;
  readonly places: number;
}

const DECIMAL = /^[+-]?\d+(\.\d*)?$|^[+-]?\.\d+$/;

/** Whether the text is a plain decimal number, as a person may type it. */
export function isDecimal(text: string): boolean {
  return DECIMAL.test(text.trim());
}

function parse(text: string): Scaled {
  const trimmed = text.trim();
  if (!DECIMAL.test(trimmed)) throw new RangeError(`${text} is not a decimal number`);
  const [whole = "", part = ""] = trimmed.replace("+", "").split(".");
  const units = BigInt(`${whole.replace("-", "")}${part}`);
  return { units: whole.startsWith("-") ? -units : units, places: part.length };
}

function format({ units, places }: Scaled): DecimalText {
  const digits = (units < 0n ? -units : units).toString().padStart(places + 1, "0");
  const sign = units < 0n ? "-" : "";
  if (places === 0) return sign + digits;
  return `${sign}${digits.slice(0, -places)}.${digits.slice(-places)}`;
}

function align(a: Scaled, b: Scaled): readonly [bigint, bigint, number] {
  const places = Math.max(a.places, b.places);
  return [a.units * 10n ** BigInt(places - a.places), b.units * 10n ** BigInt(places - b.places), places];
}

/** Number of decimal places written. */
export function places(text: DecimalText): number {
  return parse(text).places;
}

/** -1, 0 or 1. */
export function sign(text: DecimalText): -1 | 0 | 1 {
  const { units } = parse(text);
  return units < 0n ? -1 : units > 0n ? 1 : 0;
}

export function compare(a: DecimalText, b: DecimalText): -1 | 0 | 1 {
  const [left, right] = align(parse(a), parse(b));
  return left < right ? -1 : left > right ? 1 : 0;
}

export function add(a: DecimalText, b: DecimalText): DecimalText {
  const [left, right, common] = align(parse(a), parse(b));
  return format({ units: left + right, places: common });
}

export function subtract(a: DecimalText, b: DecimalText): DecimalText {
  const [left, right, common] = align(parse(a), parse(b));
  return format({ units: left - right, places: common });
}

export function multiply(a: DecimalText, b: DecimalText): DecimalText {
  const left = parse(a);
  const right = parse(b);
  return format({ units: left.units * right.units, places: left.places + right.places });
}

/** Rounded half away from zero to `to` decimal places, and padded to them. */
export function rounded(text: DecimalText, to: number): DecimalText {
  const { units, places: from } = parse(text);
  if (to >= from) return format({ units: units * 10n ** BigInt(to - from), places: to });
  const divisor = 10n ** BigInt(from - to);
  const size = units < 0n ? -units : units;
  const quotient = (2n * size + divisor) / (2n * divisor);
  return format({ units: units < 0n ? -quotient : quotient, places: to });
}

/**
 * The next multiple of `step` above (`count` > 0) or below the number, then further by `count` − 1 steps; never below
 * `step` itself. What lies between two multiples moves to the nearer one in that direction first.
 */
export function stepped(text: DecimalText, step: DecimalText, count: number): DecimalText {
  const [value, size, common] = align(parse(text), parse(step));
  const rest = ((value % size) + size) % size;
  const base = rest === 0n || count < 0 ? value - rest : value - rest + size;
  const moved = rest === 0n ? count : count > 0 ? count - 1 : count + 1;
  const result = base + BigInt(moved) * size;
  const least = result < size ? size : result;
  return rounded(format({ units: least, places: common }), parse(step).places);
}
