/** The ticket's way to the server: checks, previews, asks, sends, and says what came of it. */
import { Problem, Unreachable, type ListRequest, type OrderRequest } from "./api";
import { isDecimal } from "./decimals";
import { grouped, replyText, signedMoney, word } from "./format";
import type { Preview, Reply } from "./messages";
import {
  fieldOf,
  hasEntry,
  hasLimit,
  hasStop,
  KINDS,
  listed,
  missing,
  newClientOrderId,
  ORDER_TYPES,
  timeOf,
  TIMES,
  written,
  type TicketField,
} from "./order";
import { sized, type SizeContext } from "./sizing";
import type { Terminal } from "./terminal.svelte";
import { fromTicks } from "./ticks";

export type Errors = Readonly<Partial<Record<TicketField, string>>>;

export class Sending {
  busy = $state(false);
  errors = $state.raw<Errors>({});
  outcome = $state.raw<{ text: string; bad: boolean }>({ text: "", bad: false });
  preview = $state.raw<Preview | null>(null);
  /** Of the account, as a preview last told; null: not known, or not limited. */
  buyingPower = $state<string | null>(null);
  /** An order that got no answer. Sent again unchanged it keeps its ids, so that it cannot be entered twice. */
  private unanswered: { text: string; ids: readonly string[] } | null = null;
  private asked = 0;

  constructor(private readonly terminal: Terminal) {}

  /** The best price on the other side of the book. */
  touch = $derived.by(() => (this.terminal.ticket.side === "buy" ? this.terminal.market.ask : this.terminal.market.bid));

  /** What one is reckoned at. */
  price = $derived.by(() => {
    const draft = this.terminal.ticket;
    if (!hasEntry(draft)) return isDecimal(draft.takeProfit) ? draft.takeProfit : this.touch;
    if (hasLimit(draft.orderType)) return isDecimal(draft.limitPrice) ? draft.limitPrice : null;
    if (hasStop(draft.orderType)) return isDecimal(draft.stopPrice) ? draft.stopPrice : null;
    return this.touch;
  });

  size = $derived.by(() => sized(this.terminal.ticket.size, this.terminal.ticket.sizeUnit, this.sizeContext));

  private get sizeContext(): SizeContext {
    const lot = this.terminal.instrument?.lot_size ?? "1";
    return { lot, price: this.price, buyingPower: this.buyingPower };
  }

  /** What would be sent now, as text: a change of it is worth a new preview. Null where something is missing. */
  draft = $derived.by(() => {
    const draft = this.terminal.ticket;
    if (Object.keys(missing(draft)).length > 0 || "problem" in this.size) return null;
    return JSON.stringify(this.first(this.size.quantity));
  });

  /** The order that the preview is about: the only one, the entry, or the first of two exits. */
  private first(quantity: string): OrderRequest {
    const { ticket, account, symbol } = this.terminal;
    if (ticket.kind !== "oco") return written(ticket, quantity, account, symbol);
    const [exit] = listed(ticket, "oco", quantity, account, symbol).orders;
    return { account, symbol, ...exit! };
  }

  async look(): Promise<void> {
    const asked = ++this.asked;
    const text = this.draft;
    if (text === null) {
      this.preview = null;
      await this.probe(asked);
      return;
    }
    await this.attempt(async () => {
      const preview = await this.terminal.api.preview(JSON.parse(text) as OrderRequest);
      if (asked !== this.asked) return;
      this.preview = preview;
      this.buyingPower = preview.buying_power;
    });
  }

  /** A share of the buying power needs to know it before there is an order to preview: one lot tells. */
  private async probe(asked: number): Promise<void> {
    const { ticket, account, symbol, instrument } = this.terminal;
    if (ticket.sizeUnit !== "percent" || instrument === null || this.price === null) return;
    const order: OrderRequest = {
      account,
      symbol,
      side: ticket.side,
      quantity: fromTicks(1, instrument.lot_size),
      limit_price: this.price,
      time_in_force: "gtc",
    };
    await this.attempt(async () => {
      const { buying_power } = await this.terminal.api.preview(order);
      if (asked === this.asked) this.buyingPower = buying_power;
    });
  }

  /** A preview that does not come is not missed: sending tells the same. */
  private async attempt(request: () => Promise<void>): Promise<void> {
    try {
      await request();
    } catch (error) {
      if (!(error instanceof Problem || error instanceof Unreachable)) throw error;
      this.preview = null;
    }
  }

  async submit(): Promise<void> {
    const { ticket } = this.terminal;
    const problems = { ...missing(ticket) };
    if (problems.quantity === undefined && "problem" in this.size) problems.quantity = this.size.problem;
    this.errors = problems;
    this.outcome = { text: "", bad: false };
    if (Object.keys(problems).length > 0 || "problem" in this.size) return;
    const quantity = this.size.quantity;
    if (!(await this.agreed(quantity))) return;
    this.busy = true;
    try {
      await this.send(quantity);
    } finally {
      this.busy = false;
    }
  }

  private async send(quantity: string): Promise<void> {
    const { ticket, account, symbol, api } = this.terminal;
    const order = ticket.kind === "single" ? written(ticket, quantity, account, symbol) : null;
    const list = ticket.kind === "single" ? null : listed(ticket, ticket.kind, quantity, account, symbol);
    const text = JSON.stringify(order ?? list);
    const legs = list?.orders.length ?? 1;
    const ids = this.unanswered?.text === text ? this.unanswered.ids : Array.from({ length: legs }, newClientOrderId);
    try {
      const reply = await (order !== null
        ? api.enter({ ...order, client_order_id: ids[0]! })
        : api.enterList(identified(list!, ids)));
      this.unanswered = null;
      this.outcome = { text: this.summary(reply, quantity), bad: false };
    } catch (error) {
      if (error instanceof Problem) {
        this.unanswered = null;
        this.refuse(error);
      } else if (error instanceof Unreachable) {
        this.unanswered = { text, ids };
        this.outcome = { text: "No answer. Send again: the same order cannot be entered twice.", bad: true };
      } else throw error;
    }
  }

  private async agreed(quantity: string): Promise<boolean> {
    const { ticket, symbol, trading, instrument } = this.terminal;
    const type = hasEntry(ticket) ? (ORDER_TYPES.get(ticket.orderType) ?? "") : "two exits";
    const lines = [`${KINDS.get(ticket.kind)}: ${type}${hasEntry(ticket) ? `, ${TIMES.get(timeOf(ticket))}` : ""}`];
    const preview = this.preview;
    if (hasEntry(ticket) && hasLimit(ticket.orderType)) lines.push(`Limit ${ticket.limitPrice}`);
    if (hasEntry(ticket) && hasStop(ticket.orderType)) lines.push(`Stop ${ticket.stopPrice}`);
    if (preview !== null) {
      lines.push(`Value ${grouped(preview.notional)} ${instrument?.currency ?? ""}, fee up to ${signedMoney(preview.fee)}`);
      if (!preview.accepted) lines.push(`Would be refused now: ${preview.text ?? word(preview.reason ?? "")}`);
    }
    const title = `${word(ticket.side)} ${quantity} ${symbol}`;
    return await trading.agreed({ title, lines, action: ticket.side === "buy" ? "Buy" : "Sell", tone: ticket.side });
  }

  private refuse(problem: Problem): void {
    const field = fieldOf(problem.field, this.terminal.ticket);
    if (field !== null) this.errors = { [field]: problem.message };
    else {
      const text = problem.field ? `${word(problem.field)}: ${problem.message}` : problem.message;
      this.outcome = { text, bad: true };
    }
  }

  private summary(reply: Reply, quantity: string): string {
    const { ticket, symbol } = this.terminal;
    if (reply.orders === null) return replyText(reply, { side: ticket.side, symbol, quantity });
    const orders = reply.orders.map((leg) => `${leg.order_id} ${word(leg.order_status ?? leg.outcome)}`);
    return `${KINDS.get(ticket.kind)} entered: ${orders.join(", ")}`;
  }
}

function identified(list: ListRequest, ids: readonly string[]): ListRequest {
  return { ...list, orders: list.orders.map((leg, index) => ({ ...leg, client_order_id: ids[index]! })) };
}
