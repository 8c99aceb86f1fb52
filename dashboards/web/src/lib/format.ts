/** How numbers and times read on screen. */
import { multiply, rounded, sign } from "./decimals";
import type { Book, DecimalText, NanosecondText, Order, Reply } from "./messages";

const MINUS = "−";
export const NOTHING = "–";

/** A number exactly as the server wrote it, but for a minus sign that is as wide as a digit. */
export function exact(text: DecimalText): string {
  return text.replace("-", MINUS);
}

/** Digits of the whole part in groups of three. */
export function grouped(text: DecimalText): string {
  const [whole = "", part] = exact(text).split(".");
  const groups = whole.replace(/\B(?=(\d{3})+(?!\d))/g, ",");
  return part === undefined ? groups : `${groups}.${part}`;
}

/** Money to the cent, in groups. */
export function money(text: DecimalText): string {
  return grouped(rounded(text, 2));
}

/** Money to the cent with its sign always written, so that gain and loss never differ by colour alone. */
export function signedMoney(text: DecimalText | null): string {
  if (text === null) return NOTHING;
  const cents = rounded(text, 2);
  return sign(cents) > 0 ? `+${grouped(cents)}` : grouped(cents);
}

/** A price that may have more decimals than its tick (an average): two more than the tick's, the rest rounded. */
export function averagePrice(text: DecimalText, tickPlaces: number): string {
  const written = text.split(".")[1]?.length ?? 0;
  return written > tickPlaces + 2 ? rounded(text, tickPlaces + 2) : text;
}

/** The class that colours a gain or a loss. */
export function tone(text: DecimalText | null | undefined): "gain" | "loss" | "" {
  if (text === null || text === undefined) return "";
  const of = sign(text);
  return of > 0 ? "gain" : of < 0 ? "loss" : "";
}

export function notional(price: DecimalText, quantity: DecimalText): string {
  return money(multiply(price, quantity));
}

export function milliseconds(ns: NanosecondText): number {
  return Number(BigInt(ns) / 1_000_000n);
}

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

/** Hours, minutes and seconds, local time. */
export function clock(ns: NanosecondText): string {
  return CLOCK.format(milliseconds(ns));
}

/** Date and time in full, local, for a tooltip. */
export function moment(ns: NanosecondText): string {
  return MOMENT.format(milliseconds(ns));
}

/** A word of the wire for people: `partially_filled` → `partially filled`. */
export function word(text: string): string {
  return text.replaceAll("_", " ");
}

/** The prices that an order works at, in the order in which they matter. */
export function orderPrice(order: Pick<Order, "limit_price" | "stop_price">): string {
  const limit = order.limit_price ?? "market";
  return order.stop_price === null ? limit : `stop ${order.stop_price}, ${limit}`;
}

/** A phase of the trading day, or what its auction would trade now. */
export function phaseText(book: Pick<Book, "phase" | "indicative_price" | "indicative_quantity">): string {
  if (book.indicative_price === null) return word(book.phase);
  return `auction ${book.indicative_quantity} at ${book.indicative_price}`;
}

/** What became of an order that was entered. */
export function replyText(reply: Reply, order: { readonly side?: string; readonly symbol: string; readonly quantity?: string }): string {
  const what = order.side === undefined ? order.symbol : `${word(order.side)} ${order.quantity} ${order.symbol}`;
  const filled = reply.average_price === null ? "" : ` ${reply.filled_quantity} at ${reply.average_price}`;
  return `Order ${reply.order_id}, ${what}: ${word(reply.order_status ?? reply.outcome)}${filled}`;
}

/** A whole or broken number in groups of three, for figures that are not money. */
export function figure(value: number, digits = 0): string {
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits }).replace("-", MINUS);
}

/** A change in percent of `from`, with its sign; null where there is nothing to compare with. */
export function changeText(from: number | null, to: number | null): string | null {
  if (from === null || to === null || from === 0) return null;
  const percent = ((to - from) / from) * 100;
  const text = Math.abs(percent).toFixed(2);
  return `${text === "0.00" ? "" : percent > 0 ? "+" : MINUS}${text}%`;
}

/** A length of time for people: 850 ms, 12 s, 5 min, 3 h, 2 d. */
export function duration(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  const steps = [
    [1000, "s", 60],
    [60_000, "min", 60],
    [3_600_000, "h", 48],
  ] as const;
  for (const [size, unit, most] of steps) if (milliseconds < size * most) return `${Math.floor(milliseconds / size)} ${unit}`;
  return `${Math.floor(milliseconds / 86_400_000)} d`;
}
