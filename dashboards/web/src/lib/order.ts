/** What an order or a list of each kind needs, and how the ticket's texts become one. Pure. */
import type { ListRequest, OrderRequest } from "./api";
import { isDecimal } from "./decimals";
import type { ListedOrder, ListType, OrderType, SelfTrade, Side, TimeInForce } from "./messages";
import type { SizeUnit } from "./sizing";

/** `trail` stands for trail_amount and trail_percent; `take_profit`, `stop_loss` and `then_price` are prices of legs. */
export type TicketField =
  | "quantity"
  | "display_quantity"
  | "limit_price"
  | "stop_price"
  | "trail"
  | "expires_ns"
  | "take_profit"
  | "stop_loss"
  | "then_price";

export type Kind = "single" | ListType;

export interface Draft {
  readonly kind: Kind;
  readonly side: Side;
  readonly orderType: OrderType;
  readonly timeInForce: TimeInForce;
  /** How many, or how much of what `sizeUnit` says. */
  readonly size: string;
  readonly sizeUnit: SizeUnit;
  readonly limitPrice: string;
  readonly stopPrice: string;
  readonly trail: string;
  readonly trailUnit: "amount" | "percent";
  /** Empty: all of it is shown. */
  readonly displayQuantity: string;
  /** Local date and time, as `<input type="datetime-local">` gives it. */
  readonly expires: string;
  readonly postOnly: boolean;
  readonly reduceOnly: boolean;
  /** Empty: the account's own rule. */
  readonly selfTrade: SelfTrade | "";
  readonly takeProfit: string;
  readonly stopLoss: string;
  readonly thenType: "limit" | "stop";
  readonly thenPrice: string;
}

export const KINDS: ReadonlyMap<Kind, string> = new Map([
  ["single", "Single"],
  ["bracket", "Bracket"],
  ["oco", "OCO"],
  ["oto", "OTO"],
]);

export const ORDER_TYPES: ReadonlyMap<OrderType, string> = new Map([
  ["limit", "Limit"],
  ["market", "Market"],
  ["stop", "Stop"],
  ["stop_limit", "Stop limit"],
  ["trailing_stop", "Trailing stop"],
]);

export const TIMES: ReadonlyMap<TimeInForce, string> = new Map([
  ["day", "Day"],
  ["gtc", "GTC"],
  ["gtd", "Until…"],
  ["ioc", "IOC"],
  ["fok", "FOK"],
  ["opg", "At the open"],
  ["cls", "At the close"],
]);

export const SELF_TRADES: ReadonlyMap<SelfTrade | "", string> = new Map([
  ["", "As the account"],
  ["none", "Allow"],
  ["cancel_newest", "Cancel newest"],
  ["cancel_oldest", "Cancel oldest"],
  ["cancel_both", "Cancel both"],
  ["decrement", "Decrement"],
]);

/** The times in force that the ticket offers for a type; the first one is its usual. */
export function timesOf(orderType: OrderType): readonly TimeInForce[] {
  // In continuous trading a market order never rests; an auction, or a venue that it is routed to, takes no ioc.
  if (orderType === "market") return ["day", "ioc", "fok", "opg", "cls"];
  return orderType === "limit" ? ["day", "gtc", "gtd", "ioc", "fok", "opg", "cls"] : ["day", "gtc", "gtd"];
}

/** The chosen time in force, or the type's usual one where the type does not have it. */
export function timeOf(draft: Draft): TimeInForce {
  const times = timesOf(draft.orderType);
  return times.includes(draft.timeInForce) ? draft.timeInForce : times[0]!;
}

export function hasLimit(orderType: OrderType): boolean {
  return orderType === "limit" || orderType === "stop_limit";
}

export function hasStop(orderType: OrderType): boolean {
  return orderType === "stop" || orderType === "stop_limit";
}

/** Whether the first (or only) leg is written with the ticket's own type, price and time: an OCO has two exits instead. */
export function hasEntry(draft: Draft): boolean {
  return draft.kind !== "oco";
}

/** Whether it may rest in the book. */
function mayRest(draft: Draft): boolean {
  return ["day", "gtc", "gtd"].includes(timeOf(draft));
}

/** Whether it may lie in the book with less of it on show than there is. */
export function mayHide(draft: Draft): boolean {
  return hasEntry(draft) && hasLimit(draft.orderType) && mayRest(draft);
}

export function mayPostOnly(draft: Draft): boolean {
  return hasEntry(draft) && draft.orderType === "limit" && mayRest(draft);
}

/** A date and time as people write it, as nanoseconds since the epoch; null where it is none. */
export function expiresNs(local: string): number | null {
  const milliseconds = new Date(local).getTime();
  // Minutes in nanoseconds divide by 2^11, so that the sum has at most 50 significant bits: a double holds it exactly.
  return local === "" || Number.isNaN(milliseconds) ? null : milliseconds * 1_000_000;
}

/** What must be written before the order can be sent, by field. */
export function missing(draft: Draft): Partial<Record<TicketField, string>> {
  const found: Partial<Record<TicketField, string>> = {};
  const need = (field: TicketField, text: string): void => {
    if (!isDecimal(text)) found[field] = "Enter a number";
  };
  need("quantity", draft.size);
  if (hasEntry(draft)) {
    if (hasLimit(draft.orderType)) need("limit_price", draft.limitPrice);
    if (hasStop(draft.orderType)) need("stop_price", draft.stopPrice);
    if (draft.orderType === "trailing_stop") need("trail", draft.trail);
    if (timeOf(draft) === "gtd" && expiresNs(draft.expires) === null) found.expires_ns = "Choose a date and a time";
    if (mayHide(draft) && draft.displayQuantity.trim() !== "") need("display_quantity", draft.displayQuantity);
  }
  if (draft.kind === "oco" || draft.kind === "bracket") {
    need("take_profit", draft.takeProfit);
    need("stop_loss", draft.stopLoss);
  }
  if (draft.kind === "oto") need("then_price", draft.thenPrice);
  return found;
}

/** The leg that the ticket's own fields write, with nothing that its type does not have. */
function entry(draft: Draft, quantity: string): ListedOrder {
  const time = timeOf(draft);
  return {
    side: draft.side,
    order_type: draft.orderType,
    time_in_force: time,
    quantity,
    ...(time === "gtd" && { expires_ns: expiresNs(draft.expires) ?? 0 }),
    ...(hasLimit(draft.orderType) && { limit_price: draft.limitPrice.trim() }),
    ...(hasStop(draft.orderType) && { stop_price: draft.stopPrice.trim() }),
    ...(draft.orderType === "trailing_stop" && { [`trail_${draft.trailUnit}`]: draft.trail.trim() }),
    ...(mayHide(draft) && draft.displayQuantity.trim() !== "" && { display_quantity: draft.displayQuantity.trim() }),
    ...(mayPostOnly(draft) && draft.postOnly && { post_only: true }),
    ...(draft.reduceOnly && { reduce_only: true }),
    ...(draft.selfTrade !== "" && { self_trade_prevention: draft.selfTrade }),
  };
}

/** The order as the gateway takes it. */
export function written(draft: Draft, quantity: string, account: string, symbol: string): OrderRequest {
  return { account, symbol, ...entry(draft, quantity) };
}

/** The list as the gateway takes it; exits are good till canceled. */
export function listed(
  draft: Draft,
  kind: ListType,
  quantity: string,
  account: string,
  symbol: string,
): ListRequest {
  const exit = draft.side === "buy" ? "sell" : "buy";
  const leg = (side: Side, type: "limit" | "stop", price: string): ListedOrder => ({
    side,
    order_type: type,
    time_in_force: "gtc",
    quantity,
    ...(type === "limit" ? { limit_price: price.trim() } : { stop_price: price.trim() }),
    ...(draft.selfTrade !== "" && { self_trade_prevention: draft.selfTrade }),
  });
  const exits = (side: Side): ListedOrder[] => [leg(side, "limit", draft.takeProfit), leg(side, "stop", draft.stopLoss)];
  const orders =
    kind === "oco"
      ? exits(draft.side)
      : kind === "bracket"
        ? [entry(draft, quantity), ...exits(exit)]
        : [entry(draft, quantity), leg(exit, draft.thenType, draft.thenPrice)];
  return { account, symbol, list_type: kind, orders };
}

/** The ticket's field that a refusal names, null where it names another. */
export function fieldOf(name: string | null, draft: Draft): TicketField | null {
  if (name === null) return null;
  const leg = /^orders\[(\d)\]\.(\w+)$/.exec(name);
  const field = leg?.[2] ?? name;
  const later = leg !== null && Number(leg[1]) > 0;
  if (draft.kind === "oco" && leg !== null) return field === "quantity" ? field : later ? "stop_loss" : "take_profit";
  if (later && field !== "quantity") {
    return draft.kind === "oto" ? "then_price" : leg[1] === "1" ? "take_profit" : "stop_loss";
  }
  if ((field === "trail_amount" || field === "trail_percent") && draft.orderType === "trailing_stop") return "trail";
  if (field === "quantity") return field;
  if (field === "limit_price" && hasLimit(draft.orderType)) return field;
  if (field === "stop_price" && hasStop(draft.orderType)) return field;
  if (field === "expires_ns" && timeOf(draft) === "gtd") return field;
  return field === "display_quantity" && mayHide(draft) ? field : null;
}

/** A new `client_order_id`: 20 random hexadecimal digits (crypto.randomUUID exists only over https and on localhost). */
export function newClientOrderId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(10));
  return `web-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
