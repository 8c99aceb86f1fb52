/** The order being written: filled by the ticket itself and by a click on the ladder. */
import type { DecimalText, OrderType, Side, TimeInForce } from "./messages";

export class TicketDraft {
  side = $state<Side>("buy");
  orderType = $state<Extract<OrderType, "limit" | "market">>("limit");
  timeInForce = $state<Extract<TimeInForce, "day" | "gtc" | "ioc">>("day");
  quantity = $state("");
  limitPrice = $state("");
  /** Counts the prices put in from outside, so that the ticket can show that it took one. */
  filled = $state(0);

  /** Takes a price from the ladder. */
  fill(price: DecimalText): void {
    this.orderType = "limit";
    this.limitPrice = price;
    this.filled++;
  }
}

/** A new `client_order_id`: 20 random hexadecimal digits (crypto.randomUUID exists only over https and on localhost). */
export function newClientOrderId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(10));
  return `web-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
