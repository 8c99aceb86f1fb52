/** What an order of each type needs, and how the ticket's texts become one. Pure. */
import type { OrderRequest } from "./api";
import { isDecimal } from "./decimals";
import type { OrderType, Side, TimeInForce } from "./messages";

/** `trail` stands for trail_amount and trail_percent. */
export type TicketField = "quantity" | "display_quantity" | "limit_price" | "stop_price" | "trail";

export interface Draft {
  readonly side: Side;
  readonly orderType: OrderType;
  readonly timeInForce: TimeInForce;
  readonly quantity: string;
  readonly limitPrice: string;
  readonly stopPrice: string;
  readonly trail: string;
  readonly trailUnit: "amount" | "percent";
  /** Empty: all of it is shown. */
  readonly displayQuantity: string;
  readonly postOnly: boolean;
  readonly reduceOnly: boolean;
}

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
  ["ioc", "IOC"],
  ["fok", "FOK"],
  ["opg", "At the open"],
  ["cls", "At the close"],
]);

/** The times in force that the ticket offers for a type; the first one is its usual. */
export function timesOf(orderType: OrderType): readonly TimeInForce[] {
  if (orderType === "market") return ["ioc", "fok", "opg", "cls"];
  return orderType === "limit" ? ["day", "gtc", "ioc", "fok", "opg", "cls"] : ["day", "gtc"];
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

/** Whether it may lie in the book with less of it on show than there is. */
export function mayHide(draft: Draft): boolean {
  const time = timeOf(draft);
  return hasLimit(draft.orderType) && (time === "day" || time === "gtc");
}

export function mayPostOnly(draft: Draft): boolean {
  return draft.orderType === "limit" && mayHide(draft);
}

/** What must be written before the order can be sent, by field. */
export function missing(draft: Draft): Partial<Record<TicketField, string>> {
  const found: Partial<Record<TicketField, string>> = {};
  const need = (field: TicketField, text: string): void => {
    if (!isDecimal(text)) found[field] = "Enter a number";
  };
  need("quantity", draft.quantity);
  if (hasLimit(draft.orderType)) need("limit_price", draft.limitPrice);
  if (hasStop(draft.orderType)) need("stop_price", draft.stopPrice);
  if (draft.orderType === "trailing_stop") need("trail", draft.trail);
  if (mayHide(draft) && draft.displayQuantity.trim() !== "") need("display_quantity", draft.displayQuantity);
  return found;
}

/** The order as the gateway takes it, with nothing that its type does not have. */
export function written(draft: Draft, account: string, symbol: string): OrderRequest {
  return {
    account,
    symbol,
    side: draft.side,
    order_type: draft.orderType,
    time_in_force: timeOf(draft),
    quantity: draft.quantity.trim(),
    ...(hasLimit(draft.orderType) && { limit_price: draft.limitPrice.trim() }),
    ...(hasStop(draft.orderType) && { stop_price: draft.stopPrice.trim() }),
    ...(draft.orderType === "trailing_stop" && { [`trail_${draft.trailUnit}`]: draft.trail.trim() }),
    ...(mayHide(draft) && draft.displayQuantity.trim() !== "" && { display_quantity: draft.displayQuantity.trim() }),
    ...(mayPostOnly(draft) && draft.postOnly && { post_only: true }),
    ...(draft.reduceOnly && { reduce_only: true }),
  };
}

/** The ticket's field that a refusal names, null where it names another. */
export function fieldOf(name: string | null, draft: Draft): TicketField | null {
  if ((name === "trail_amount" || name === "trail_percent") && draft.orderType === "trailing_stop") return "trail";
  if (name === "quantity") return name;
  if (name === "limit_price" && hasLimit(draft.orderType)) return name;
  if (name === "stop_price" && hasStop(draft.orderType)) return name;
  return name === "display_quantity" && mayHide(draft) ? name : null;
}
