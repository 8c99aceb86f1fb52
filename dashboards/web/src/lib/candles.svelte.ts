/**
 * The candles on screen: history from the server, the newest ones moved on by the tape. The server's history is behind the
 * tape by the moment it takes to store a trade, so its newest candles are fetched again every few seconds and win for
 * every interval that is over.
 */
import { Unreachable, Problem, type Api } from "./api";
import type { TopicStore } from "./feed.svelte";
import { milliseconds } from "./format";
import type { Trade } from "./messages";

export interface Bar {
  readonly time_s: number;
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly close: number;
  readonly volume: number;
}

/** What draws the bars. */
export interface BarView {
  /** All bars anew, oldest first. */
  replace(bars: readonly Bar[]): void;
  /** The newest bar changed, or a newer one began. */
  update(bar: Bar): void;
}

const HISTORY = 500;
const RECENT = 5;
const REFRESH_MS = 10_000;

export class CandlesStore implements TopicStore<Trade> {
  /** What to say instead of bars; empty where there are some. */
  note = $state("");

  private bars: Bar[] = [];
  private view: BarView | null = null;
  private symbol = "";
  private interval = 60;
  /** Counts the choices of symbol and interval: an answer for an earlier choice is dropped. */
  private choice = 0;
  private readonly timer: ReturnType<typeof setInterval>;

  constructor(private readonly api: Api) {
    this.timer = setInterval(() => void this.refresh(), REFRESH_MS);
  }

  close(): void {
    clearInterval(this.timer);
  }

  attach(view: BarView): () => void {
    this.view = view;
    view.replace(this.bars);
    return () => (this.view = null);
  }

  async select(symbol: string, interval: number): Promise<void> {
    this.symbol = symbol;
    this.interval = interval;
    this.choice++;
    this.show([]);
    this.note = "Loading…";
    await this.load(HISTORY);
  }

  /** A snapshot of the tape: the stream has started over, so what came between is fetched. */
  snapshot(): void {
    void this.refresh();
  }

  apply(trades: readonly Trade[]): void {
    const from = this.bars.at(-1)?.time_s ?? 0;
    let changed = false;
    for (const trade of trades) changed = this.trade(trade) || changed;
    if (!changed) return;
    this.note = "";
    // Each bar once, however many trades it has taken: to draw one costs more than to count it.
    const first = Math.max(0, this.bars.findLastIndex(({ time_s }) => time_s <= from));
    for (const bar of this.bars.slice(first)) this.view?.update(bar);
  }

  private async refresh(): Promise<void> {
    if (this.symbol !== "" && !document.hidden) await this.load(this.bars.length === 0 ? HISTORY : RECENT);
  }

  private async load(limit: number): Promise<void> {
    const choice = this.choice;
    try {
      const candles = await this.api.candles(this.symbol, this.interval, limit);
      if (choice !== this.choice) return;
      const fetched = candles.map((candle) => ({
        time_s: candle.time_s,
        open: Number(candle.open),
        high: Number(candle.high),
        low: Number(candle.low),
        close: Number(candle.close),
        volume: Number(candle.volume),
      }));
      this.show(joined(this.bars, fetched));
    } catch (error) {
      if (!(error instanceof Unreachable || error instanceof Problem)) throw error;
      if (choice === this.choice && this.bars.length === 0) this.note = `No candles: ${error.message}`;
    }
  }

  private show(bars: Bar[]): void {
    this.bars = bars;
    this.note = bars.length === 0 ? "No trades yet" : "";
    this.view?.replace(bars);
  }

  /** Whether it counts: one of before the newest bar is the server's to tell. */
  private trade(trade: Trade): boolean {
    const at = trade.transact_ns === "0" ? trade.ts_ns : trade.transact_ns;
    const second = Math.floor(milliseconds(at) / 1000);
    const time_s = second - (second % this.interval);
    const last = this.bars.at(-1);
    if (last !== undefined && time_s < last.time_s) return false;
    const bar = traded(last?.time_s === time_s ? last : null, time_s, Number(trade.price), Number(trade.quantity));
    if (last?.time_s === time_s) this.bars[this.bars.length - 1] = bar;
    else this.bars.push(bar);
    return true;
  }
}

/** The bar after one more trade; the first of its interval where `bar` is null. */
export function traded(bar: Bar | null, time_s: number, price: number, quantity: number): Bar {
  if (bar === null) return { time_s, open: price, high: price, low: price, close: price, volume: quantity };
  const high = Math.max(bar.high, price);
  const low = Math.min(bar.low, price);
  return { ...bar, high, low, close: price, volume: bar.volume + quantity };
}

/**
 * Held bars with fetched ones put in their place. Of the newest interval the page may have missed the beginning and the
 * server may not have stored the end: there the two are joined.
 */
export function joined(held: readonly Bar[], fetched: readonly Bar[]): Bar[] {
  const byTime = new Map(held.map((bar) => [bar.time_s, bar]));
  const newest = held.at(-1);
  for (const bar of fetched) byTime.set(bar.time_s, bar.time_s === newest?.time_s ? joinedBar(newest, bar) : bar);
  return [...byTime.values()].sort((a, b) => a.time_s - b.time_s);
}

function joinedBar(held: Bar, fetched: Bar): Bar {
  return {
    time_s: held.time_s,
    open: fetched.open,
    high: Math.max(held.high, fetched.high),
    low: Math.min(held.low, fetched.low),
    close: held.close,
    volume: Math.max(held.volume, fetched.volume),
  };
}
