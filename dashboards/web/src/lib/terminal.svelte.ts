/** Everything that one logged-in user looks at: the stores of all topics, fed by one stream, and what is selected. */
import { getContext, setContext } from "svelte";
import { SvelteMap } from "svelte/reactivity";
import type { Api, Funding } from "./api";
import { CandlesStore } from "./candles.svelte";
import { places } from "./decimals";
import { Feed, type TopicStore } from "./feed.svelte";
import { ListFilter } from "./filters.svelte";
import type { Granted } from "./login";
import type { Fill, Instrument, Trade } from "./messages";
import { Notices } from "./notices.svelte";
import { Questions } from "./question.svelte";
import { playFill } from "./sound";
import { fromTicks } from "./ticks";
import { TicketDraft } from "./ticket.svelte";
import { FillsStore } from "./topics/fills.svelte";
import { Market } from "./topics/market.svelte";
import { OrdersStore } from "./topics/orders.svelte";
import { PnlStore } from "./topics/pnl.svelte";
import { PositionsStore } from "./topics/positions.svelte";
import { Trading } from "./trading.svelte";
import { Workspace } from "./workspace.svelte";

/** Among a user's accounts: every one. */
const EVERY_ACCOUNT = "*";
/** Symbols that the one stream can follow: it takes 64 topics, four of them private, and a symbol has two. */
const MOST_WATCHED = 30;
/** Lots that a click trades where nobody has said how many. */
const QUICK_LOTS = 100;
const NOTHING_YET = new Market();

export const INTERVALS: readonly (readonly [number, string])[] = [
  [1, "1s"],
  [5, "5s"],
  [15, "15s"],
  [60, "1m"],
  [300, "5m"],
  [900, "15m"],
  [3600, "1h"],
  [14400, "4h"],
  [86400, "1d"],
];

export class Terminal {
  readonly feed: Feed;
  readonly candles: CandlesStore;
  readonly orders = new OrdersStore();
  readonly fills: FillsStore;
  readonly positions = new PositionsStore();
  readonly pnl = new PnlStore();
  readonly ticket = new TicketDraft();
  readonly historyFilter = new ListFilter();
  readonly fillFilter = new ListFilter();
  readonly notices = new Notices();
  readonly questions = new Questions();
  readonly trading: Trading;
  readonly workspace: Workspace;
  private readonly markets = new SvelteMap<string, Market>();

  instruments = $state.raw<readonly Instrument[]>([]);
  funding = $state.raw<readonly Funding[]>([]);
  symbol = $state("");
  /** Counts the wishes to centre the ladder. */
  centred = $state(0);
  /** Whether the account's trading is switched off; null: not known yet. */
  killed = $state<boolean | null>(null);
  /** The accounts to choose from: the user's own first and, for one who sees everybody's, the others. */
  accounts = $derived.by(() => {
    const own = this.login.accounts.filter((account) => account !== EVERY_ACCOUNT);
    const seen = this.funding.map(({ account }) => account).filter((account) => account !== EVERY_ACCOUNT);
    return [...new Set([...own, ...seen])];
  });
  account = $derived.by(() => {
    const chosen = this.workspace.preferences.all.account;
    return chosen !== null && this.accounts.includes(chosen) ? chosen : (this.accounts[0] ?? "");
  });
  instrument = $derived(this.instruments.find((instrument) => instrument.symbol === this.symbol) ?? null);
  tick = $derived(this.instrument?.tick_size ?? "0.01");
  pricePlaces = $derived(places(this.tick));
  market = $derived(this.markets.get(this.symbol) ?? NOTHING_YET);
  /** Working orders of the account, newest first; and those in the symbol on screen. */
  own = $derived(this.orders.working.filter((order) => order.account === this.account));
  ownHere = $derived(this.own.filter((order) => order.symbol === this.symbol));
  watchlist = $derived.by(() => {
    const all = this.instruments.map(({ symbol }) => symbol);
    const first = this.workspace.preferences.all.watchlist.filter((symbol) => all.includes(symbol));
    return [...new Set([...first, ...all])].slice(0, MOST_WATCHED);
  });

  constructor(
    readonly api: Api,
    readonly login: Granted,
  ) {
    this.feed = new Feed(api);
    this.candles = new CandlesStore(api);
    this.fills = new FillsStore((fresh) => this.filled(fresh));
    this.workspace = new Workspace(api);
    this.trading = new Trading({
      api,
      notices: this.notices,
      questions: this.questions,
      confirms: () => this.workspace.preferences.all.confirm,
    });
  }

  /** Whether this user may enter orders. */
  get mayTrade(): boolean {
    return this.login.role !== "viewer";
  }

  get interval(): number {
    return this.workspace.preferences.all.interval;
  }

  /** What a click on the ladder or a hotkey trades of the symbol on screen. */
  get quick(): string {
    const lot = this.instrument?.lot_size;
    return this.workspace.preferences.all.quick[this.symbol] ?? (lot === undefined ? "" : fromTicks(QUICK_LOTS, lot));
  }

  set quick(quantity: string) {
    const { quick } = this.workspace.preferences.all;
    this.workspace.preferences.set({ quick: { ...quick, [this.symbol]: quantity } });
  }

  marketOf(symbol: string): Market {
    return this.markets.get(symbol) ?? NOTHING_YET;
  }

  placesOf(symbol: string): number {
    return places(this.instruments.find((instrument) => instrument.symbol === symbol)?.tick_size ?? "0.01");
  }

  async start(): Promise<void> {
    [this.instruments, this.funding] = await Promise.all([
      this.api.instruments(),
      this.api.accounts(),
      this.workspace.load(),
    ]);
    this.killed = this.funding.find(({ account }) => account === this.account)?.killed ?? null;
    const symbols = this.instruments.map((instrument) => instrument.symbol);
    const last = this.workspace.preferences.all.symbol;
    const symbol = last !== null && symbols.includes(last) ? last : symbols[0];
    if (symbol === undefined) return;
    this.symbol = symbol;
    this.follow();
    void this.candles.select(symbol, this.interval);
  }

  /** Nothing is asked of the server any more, once this is done. */
  async close(): Promise<void> {
    this.feed.close();
    this.candles.close();
    await this.workspace.close();
  }

  selectSymbol(symbol: string): void {
    if (symbol === this.symbol) return;
    this.symbol = symbol;
    this.workspace.preferences.set({ symbol });
    this.ticket.clearPrices();
    void this.candles.select(symbol, this.interval);
    if (!this.markets.has(symbol)) this.follow();
  }

  /** The symbol that many places further in the watchlist. */
  stepSymbol(by: number): void {
    const list = this.watchlist;
    const next = list[(list.indexOf(this.symbol) + by + list.length) % list.length];
    if (next !== undefined) this.selectSymbol(next);
  }

  selectAccount(account: string): void {
    this.workspace.preferences.set({ account });
    this.killed = this.funding.find((funding) => funding.account === account)?.killed ?? null;
  }

  selectInterval(interval: number): void {
    this.workspace.preferences.set({ interval });
    void this.candles.select(this.symbol, interval);
  }

  stepInterval(by: number): void {
    const at = INTERVALS.findIndex(([seconds]) => seconds === this.interval);
    const next = INTERVALS[Math.max(0, Math.min(INTERVALS.length - 1, at + by))];
    if (next !== undefined) this.selectInterval(next[0]);
  }

  /** Follows the watchlist and the symbol on screen: one stream for all, so that a change of symbol costs nothing. */
  private follow(): void {
    const symbols = [...new Set([this.symbol, ...this.watchlist])].slice(0, MOST_WATCHED);
    this.markets.clear();
    const stores = new Map<string, TopicStore<never>>([
      ["orders", this.orders],
      ["fills", this.fills],
      ["positions", this.positions],
      ["pnl", this.pnl],
    ]);
    for (const symbol of symbols) {
      const market = new Market();
      this.markets.set(symbol, market);
      stores.set(`book:${symbol}`, market.books);
      stores.set(`trades:${symbol}`, this.tape(symbol, market));
    }
    this.feed.open(stores);
  }

  private tape(symbol: string, market: Market): TopicStore<Trade> {
    return {
      snapshot: (records) => {
        market.trades.snapshot(records);
        if (symbol === this.symbol) this.candles.snapshot();
      },
      apply: (records) => {
        market.trades.apply(records);
        if (symbol === this.symbol) this.candles.apply(records);
      },
    };
  }

  private filled(fresh: readonly Fill[]): void {
    const own = fresh.filter((fill) => fill.account === this.account);
    const last = own.at(-1);
    if (last === undefined) return;
    const more = own.length > 1 ? ` and ${own.length - 1} more` : "";
    this.notices.tell(`Filled: ${last.side} ${last.quantity} ${last.symbol} at ${last.price}${more}`);
    if (this.workspace.preferences.all.sound) playFill(last.side);
  }

  flattenSymbol(): void {
    const position = this.positions.of(this.account, this.symbol);
    void this.trading.flatten(this.account, this.symbol, position === null ? [] : [position]);
  }

  flattenAll(): void {
    const all = this.positions.all.filter(({ account }) => account === this.account);
    void this.trading.flatten(this.account, null, all);
  }
}

const KEY = Symbol("terminal");

export function provideTerminal(terminal: Terminal): void {
  setContext(KEY, terminal);
}

/** For a part of the page that is mounted on its own, outside the tree. */
export function contextOf(terminal: Terminal): Map<unknown, unknown> {
  return new Map([[KEY, terminal]]);
}

export function useTerminal(): Terminal {
  return getContext<Terminal>(KEY);
}
