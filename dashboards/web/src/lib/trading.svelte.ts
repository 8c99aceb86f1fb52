/**
 * All that the page asks the server to do with orders, apart from the ticket: with a question first where the trader wants
 * one, and a notice of what came of it. Nothing here changes what is on screen: that follows from the stream.
 */
import { Problem, Unreachable, type Api, type OrderRequest, type ReplaceRequest } from "./api";
import { exact, orderPrice, replyText, word } from "./format";
import { multiply, sign } from "./decimals";
import type { DecimalText, Order, Position, Side } from "./messages";
import { newClientOrderId } from "./order";
import type { Notices } from "./notices.svelte";
import type { Question, Questions } from "./question.svelte";

export interface TradingContext {
  readonly api: Api;
  readonly notices: Notices;
  readonly questions: Questions;
  readonly confirms: () => boolean;
}

export function opposite(side: Side): Side {
  return side === "buy" ? "sell" : "buy";
}

/** The side and size that take a position to nothing; null where there is none. */
export function closing(quantity: DecimalText): { side: Side; quantity: DecimalText } | null {
  const of = sign(quantity);
  if (of === 0) return null;
  return { side: of > 0 ? "sell" : "buy", quantity: quantity.replace("-", "") };
}

export class Trading {
  /** Orders of which a change is on its way, by id. */
  pending = $state.raw<ReadonlySet<string>>(new Set());

  constructor(private readonly context: TradingContext) {}

  /** A limit order from the ladder. */
  async place(account: string, symbol: string, side: Side, quantity: DecimalText, price: DecimalText): Promise<void> {
    const title = `${word(side)} ${quantity} ${symbol} at ${price}`;
    if (!(await this.agreed({ title, lines: ["Limit, day"], action: side === "buy" ? "Buy" : "Sell", tone: side }))) return;
    await this.enter({ account, symbol, side, quantity, order_type: "limit", time_in_force: "day", limit_price: price });
  }

  async atMarket(account: string, symbol: string, side: Side, quantity: DecimalText): Promise<void> {
    const title = `${word(side)} ${quantity} ${symbol} at the market`;
    const lines = ["Market"];
    if (!(await this.agreed({ title, lines, action: side === "buy" ? "Buy" : "Sell", tone: side }))) return;
    await this.enter({ account, symbol, side, quantity, order_type: "market", time_in_force: "day" });
  }

  async cancel(order: Order): Promise<void> {
    await this.changing(order.order_id, () => this.context.api.cancel(order.order_id), `${describe(order)} canceled`);
  }

  /** A new price or quantity of a working order. True where the server took it. */
  async replace(order: Order, changes: ReplaceRequest): Promise<boolean> {
    const what = [
      changes.quantity === undefined ? null : `quantity ${changes.quantity}`,
      changes.limit_price === undefined ? null : `limit ${changes.limit_price}`,
      changes.stop_price === undefined ? null : `stop ${changes.stop_price}`,
    ].filter((text) => text !== null);
    const title = `Replace ${describe(order)}`;
    const question: Question = { title, lines: [`New: ${what.join(", ")}`], action: "Replace", tone: order.side ?? "plain" };
    if (!(await this.agreed(question))) return false;
    const request = (): Promise<unknown> => this.context.api.replace(order.order_id, changes);
    return await this.changing(order.order_id, request, `${describe(order)} replaced: ${what.join(", ")}`);
  }

  /** A drag of an order's line or chip to another price. */
  async move(order: Order, price: DecimalText): Promise<boolean> {
    if (order.limit_price !== null) return await this.replace(order, { limit_price: price });
    return await this.replace(order, { stop_price: price });
  }

  async cancelAll(account: string, symbol: string | null): Promise<void> {
    const title = symbol === null ? `Cancel all orders of ${account}` : `Cancel all orders in ${symbol}`;
    if (!(await this.agreed({ title, lines: [], action: "Cancel them", tone: "plain" }))) return;
    await this.attempt(async () => {
      const { affected } = await this.context.api.cancelAll(account, symbol);
      return affected === 0 ? "There was no order to cancel" : `${affected} ${affected === 1 ? "order" : "orders"} canceled`;
    });
  }

  async close(position: Position): Promise<void> {
    const order = closing(position.quantity);
    if (order === null) return;
    const title = `Close ${position.symbol}: ${word(order.side)} ${order.quantity} at the market`;
    const lines = ["Market, immediate or cancel, reduce only"];
    if (!(await this.agreed({ title, lines, action: "Close", tone: order.side }))) return;
    await this.enter({ ...closingOrder(position, order), reduce_only: true });
  }

  async reverse(position: Position): Promise<void> {
    const order = closing(position.quantity);
    if (order === null) return;
    const quantity = multiply(order.quantity, "2");
    const title = `Reverse ${position.symbol}: ${word(order.side)} ${quantity} at the market`;
    const lines = [`From ${exact(position.quantity)} to the opposite`, "Market, immediate or cancel"];
    if (!(await this.agreed({ title, lines, action: "Reverse", tone: order.side }))) return;
    await this.enter(closingOrder(position, { ...order, quantity }));
  }

  /** Cancels what works in these symbols, then closes their positions. `symbol` null: all of the account. */
  async flatten(account: string, symbol: string | null, positions: readonly Position[]): Promise<void> {
    const open = positions.filter((position) => sign(position.quantity) !== 0);
    const title = symbol === null ? `Flatten all of ${account}` : `Flatten ${symbol}`;
    const lines = ["Cancels its working orders", ...open.map((of) => `Closes ${exact(of.quantity)} ${of.symbol} at the market`)];
    if (!(await this.agreed({ title, lines, action: "Flatten", tone: "plain" }))) return;
    const canceled = await this.attempt(async () => {
      const { affected } = await this.context.api.cancelAll(account, symbol);
      return affected === 0 && open.length === 0 ? "Nothing to flatten" : `${affected} canceled`;
    });
    if (!canceled) return;
    for (const position of open) {
      const order = closing(position.quantity);
      if (order !== null) await this.enter({ ...closingOrder(position, order), reduce_only: true });
    }
  }

  /** True where the request was answered well. */
  async attempt(request: () => Promise<string>): Promise<boolean> {
    try {
      this.context.notices.tell(await request());
      return true;
    } catch (error) {
      if (error instanceof Problem) this.context.notices.tell(error.message, true);
      else if (error instanceof Unreachable) this.context.notices.tell(`${error.message} Whether it was done is not known.`, true);
      else throw error;
      return false;
    }
  }

  async agreed(question: Question): Promise<boolean> {
    return !this.context.confirms() || (await this.context.questions.ask(question));
  }

  private async enter(order: OrderRequest): Promise<boolean> {
    const identified = { ...order, client_order_id: newClientOrderId() };
    return await this.attempt(async () => replyText(await this.context.api.enter(identified), order));
  }

  private async changing(orderId: string, request: () => Promise<unknown>, done: string): Promise<boolean> {
    this.pending = new Set(this.pending).add(orderId);
    try {
      return await this.attempt(async () => {
        await request();
        return done;
      });
    } finally {
      this.pending = new Set([...this.pending].filter((id) => id !== orderId));
    }
  }
}

function closingOrder(position: Position, order: { side: Side; quantity: DecimalText }): OrderRequest {
  const { account, symbol } = position;
  return { account, symbol, ...order, order_type: "market", time_in_force: "day" };
}

export function describe(order: Pick<Order, "side" | "leaves_quantity" | "symbol" | "limit_price" | "stop_price">): string {
  return `${word(order.side ?? "")} ${order.leaves_quantity} ${order.symbol} at ${orderPrice(order)}`;
}
