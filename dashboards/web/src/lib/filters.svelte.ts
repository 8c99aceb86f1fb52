/** What of a list is asked for; kept while its panel is hidden. */
import type { Filters } from "./api";

export type Since = "all" | "today" | "hour" | "week";

export const SINCE: ReadonlyMap<Since, string> = new Map([
  ["all", "All time"],
  ["hour", "Last hour"],
  ["today", "Today"],
  ["week", "7 days"],
]);

export const STATUSES: ReadonlyMap<string, string> = new Map([
  ["", "Any status"],
  ["working", "Working"],
  ["filled", "Filled"],
  ["canceled", "Canceled"],
  ["rejected", "Rejected"],
  ["expired", "Expired"],
]);

/** Nanoseconds at which it begins; empty: at the beginning. Days are those of the page's clock. */
export function startNs(since: Since, now: Date): string {
  if (since === "all") return "";
  const from = new Date(now);
  // From a whole minute on: the server then knows the question again.
  from.setSeconds(0, 0);
  if (since === "hour") from.setTime(from.getTime() - 3_600_000);
  else if (since === "week") from.setTime(from.getTime() - 7 * 86_400_000);
  else from.setHours(0, 0, 0, 0);
  return `${BigInt(from.getTime()) * 1_000_000n}`;
}

export class ListFilter {
  symbol = $state("");
  side = $state("");
  status = $state("");
  since = $state<Since>("all");

  of(account: string): Filters {
    const { symbol, side, status } = this;
    return { account, symbol, side, status, start_ns: startNs(this.since, new Date()) };
  }
}
