/** Prices as whole ticks: what a ladder counts in. Exact, since a tick is a decimal and prices are multiples of it. */
import type { DecimalText } from "./messages";

function units(text: DecimalText): { readonly value: bigint; readonly places: number } {
  const [whole = "", part = ""] = text.trim().split(".");
  return { value: BigInt(whole + part), places: part.length };
}

/** Ticks of a price: `floor` and `ceil` say which way one between two ticks goes. */
export function toTicks(price: DecimalText, tick: DecimalText, way: "floor" | "ceil" = "floor"): number {
  const a = units(price);
  const b = units(tick);
  const places = Math.max(a.places, b.places);
  const value = a.value * 10n ** BigInt(places - a.places);
  const step = b.value * 10n ** BigInt(places - b.places);
  const rest = ((value % step) + step) % step;
  const floor = (value - rest) / step;
  return Number(way === "ceil" && rest !== 0n ? floor + 1n : floor);
}

/** The price of so many ticks, with the tick's decimal places. */
export function fromTicks(ticks: number, tick: DecimalText): DecimalText {
  const { value, places } = units(tick);
  const total = BigInt(ticks) * value;
  const digits = (total < 0n ? -total : total).toString().padStart(places + 1, "0");
  const sign = total < 0n ? "-" : "";
  return places === 0 ? sign + digits : `${sign}${digits.slice(0, -places)}.${digits.slice(-places)}`;
}

/** A price as a person or a pointer gave it, on the nearest tick, at least one. */
export function onTick(price: number, tick: DecimalText): DecimalText {
  return fromTicks(Math.max(1, Math.round(price / Number(tick))), tick);
}
