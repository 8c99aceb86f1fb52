/** The order being written: filled by the ticket itself and by a click on the ladder. */
import type { DecimalText, OrderType, SelfTrade, Side, TimeInForce } from "./messages";
import { hasLimit, hasStop, type Draft, type Kind } from "./order";
import type { SizeUnit } from "./sizing";

export class TicketDraft implements Draft {
  kind = $state<Kind>("single");
  side = $state<Side>("buy");
  orderType = $state<OrderType>("limit");
  timeInForce = $state<TimeInForce>("day");
  size = $state("");
  sizeUnit = $state<SizeUnit>("quantity");
  limitPrice = $state("");
  stopPrice = $state("");
  trail = $state("");
  trailUnit = $state<Draft["trailUnit"]>("amount");
  displayQuantity = $state("");
  expires = $state("");
  postOnly = $state(false);
  reduceOnly = $state(false);
  selfTrade = $state<SelfTrade | "">("");
  takeProfit = $state("");
  stopLoss = $state("");
  thenType = $state<Draft["thenType"]>("limit");
  thenPrice = $state("");
  /** Counts the prices put in from outside, so that the ticket can show that it took one. */
  filled = $state(0);
  /** Counts the wishes to write in it (a hotkey): the ticket then takes the focus. */
  wanted = $state(0);

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

  /** Takes the focus, on this side. */
  want(side: Side): void {
    this.side = side;
    this.wanted++;
  }

  /** Forgets what was meant for another symbol. */
  clearPrices(): void {
    this.limitPrice = this.stopPrice = this.trail = this.takeProfit = this.stopLoss = this.thenPrice = "";
  }
}
