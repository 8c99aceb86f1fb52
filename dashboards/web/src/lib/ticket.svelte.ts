/** The order being written: filled by the ticket itself and by a click on the ladder. */
import type { DecimalText, OrderType, Side, TimeInForce } from "./messages";
import { hasLimit, hasStop, type Draft } from "./order";

export class TicketDraft implements Draft {
  side = $state<Side>("buy");
  orderType = $state<OrderType>("limit");
  timeInForce = $state<TimeInForce>("day");
  quantity = $state("");
  limitPrice = $state("");
  stopPrice = $state("");
  trail = $state("");
  trailUnit = $state<Draft["trailUnit"]>("amount");
  displayQuantity = $state("");
  postOnly = $state(false);
  reduceOnly = $state(false);
  /** Counts the prices put in from outside, so that the ticket can show that it took one. */
  filled = $state(0);

  /** Takes a price from the ladder: the limit, or the stop of an order that has no limit. */
  fill(price: DecimalText): void {
    if (!hasLimit(this.orderType) && hasStop(this.orderType)) {
      this.stopPrice = price;
    } else {
      if (!hasLimit(this.orderType)) this.orderType = "limit";
      this.limitPrice = price;
    }
    this.filled++;
  }

  /** Forgets what was meant for another symbol. */
  clearPrices(): void {
    this.limitPrice = this.stopPrice = this.trail = "";
  }
}

/** A new `client_order_id`: 20 random hexadecimal digits (crypto.randomUUID exists only over https and on localhost). */
export function newClientOrderId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(10));
  return `web-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
