/** Everything that one logged-in user looks at: the stores of all topics, fed by one stream, and what is selected. */
import { getContext, setContext } from "svelte";
import { Api, type Funding, type Login } from "./api";
import { CandlesStore } from "./candles.svelte";
import { places } from "./decimals";
import { Feed, type TopicStore } from "./feed.svelte";
import { recalled, remember } from "./memory";
import type { Instrument, Trade } from "./messages";
import { TicketDraft } from "./ticket.svelte";
import { BookStore } from "./topics/book.svelte";
import { FillsStore } from "./topics/fills.svelte";
import { OrdersStore } from "./topics/orders.svelte";
import { PnlStore } from "./topics/pnl.svelte";
import { PositionsStore } from "./topics/positions.svelte";
import { TradesStore } from "./topics/trades.svelte";

/** Among a user's accounts: every one. */
const EVERY_ACCOUNT = "*";

export class Terminal {
  readonly feed: Feed;
  readonly book = new BookStore();
  readonly trades = new TradesStore();
  readonly candles: CandlesStore;
  readonly orders = new OrdersStore();
  readonly fills = new FillsStore();
  readonly positions = new PositionsStore();
  readonly pnl = new PnlStore();
  readonly ticket = new TicketDraft();

  instruments = $state.raw<readonly Instrument[]>([]);
  funding = $state.raw<readonly Funding[]>([]);
  symbol = $state("");
  private chosenAccount = $state<string | null>(null);
  /** The accounts to choose from: the user's own first and, for one who sees everybody's, the others. */
  accounts = $derived.by(() => {
    const own = this.login.accounts.filter((account) => account !== EVERY_ACCOUNT);
    const seen = this.funding.map(({ account }) => account).filter((account) => account !== EVERY_ACCOUNT);
    return [...new Set([...own, ...seen])];
  });
  account = $derived(
    this.chosenAccount !== null && this.accounts.includes(this.chosenAccount)
      ? this.chosenAccount
      : (this.accounts[0] ?? ""),
  );
  interval = $state(10);
  instrument = $derived(this.instruments.find((instrument) => instrument.symbol === this.symbol) ?? null);
  pricePlaces = $derived(this.instrument === null ? 2 : places(this.instrument.tick_size));

  constructor(
    readonly api: Api,
    readonly login: Login,
    onlogout: () => void,
  ) {
    api.onunauthorized = onlogout;
    this.feed = new Feed(api);
    this.candles = new CandlesStore(api);
    this.chosenAccount = recalled("account");
  }

  /** Whether this user may enter orders. */
  get mayTrade(): boolean {
    return this.login.role !== "viewer";
  }

  async start(): Promise<void> {
    [this.instruments, this.funding] = await Promise.all([this.api.instruments(), this.api.accounts()]);
    const symbols = this.instruments.map((instrument) => instrument.symbol);
    const last = recalled("symbol");
    const symbol = last !== null && symbols.includes(last) ? last : symbols[0];
    if (symbol !== undefined) this.selectSymbol(symbol);
  }

  close(): void {
    this.feed.close();
    this.candles.close();
  }

  selectSymbol(symbol: string): void {
    if (symbol === this.symbol) return;
    this.symbol = symbol;
    remember("symbol", symbol);
    this.book.clear();
    this.trades.clear();
    this.ticket.clearPrices();
    void this.candles.select(symbol, this.interval);
    this.feed.open(this.topics(symbol));
  }

  selectAccount(account: string): void {
    this.chosenAccount = account;
    remember("account", account);
  }

  selectInterval(interval: number): void {
    this.interval = interval;
    void this.candles.select(this.symbol, interval);
  }

  private topics(symbol: string): Map<string, TopicStore<never>> {
    const tape: TopicStore<Trade> = {
      snapshot: (records) => {
        this.trades.snapshot(records);
        this.candles.snapshot();
      },
      apply: (records) => {
        this.trades.apply(records);
        this.candles.apply(records);
      },
    };
    return new Map<string, TopicStore<never>>([
      ["orders", this.orders],
      ["fills", this.fills],
      ["positions", this.positions],
      ["pnl", this.pnl],
      [`book:${symbol}`, this.book],
      [`trades:${symbol}`, tape],
    ]);
  }
}

const KEY = Symbol("terminal");

export function provideTerminal(terminal: Terminal): void {
  setContext(KEY, terminal);
}

export function useTerminal(): Terminal {
  return getContext<Terminal>(KEY);
}
