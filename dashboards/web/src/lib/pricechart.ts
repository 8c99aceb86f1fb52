/** The price chart as an object: candles, volume, own fills. Drawn by TradingView Lightweight Charts. */
import {
  CandlestickSeries,
  ColorType,
  createChart,
  createSeriesMarkers,
  CrosshairMode,
  HistogramSeries,
  type AutoscaleInfo,
  type IChartApi,
  type ISeriesApi,
  type ISeriesMarkersPluginApi,
  type SeriesMarker,
  type Time,
  type UTCTimestamp,
} from "lightweight-charts";
import type { Bar, BarView } from "./candles.svelte";
import { milliseconds } from "./format";
import type { Fill } from "./messages";
import { palette } from "./palette";

const DAY_S = 86_400;
const MOST_MARKS = 200;

/** A mark for the fills of one side within one candle. */
export interface FillMark {
  readonly time_s: number;
  readonly side: Fill["side"];
  readonly quantity: number;
  /** Weighted by quantity. */
  readonly price: number;
}

/** Fills by candle and side, oldest first, as many as can be told apart. Pure. */
export function fillMarks(fills: readonly Fill[], interval: number): FillMark[] {
  const marks = new Map<string, { time_s: number; side: Fill["side"]; quantity: number; value: number }>();
  for (const fill of fills) {
    const second = Math.floor(milliseconds(fill.transact_ns === "0" ? fill.ts_ns : fill.transact_ns) / 1000);
    const time_s = second - (second % interval);
    const key = `${time_s}${fill.side}`;
    const mark = marks.get(key) ?? { time_s, side: fill.side, quantity: 0, value: 0 };
    mark.quantity += Number(fill.quantity);
    mark.value += Number(fill.quantity) * Number(fill.price);
    marks.set(key, mark);
  }
  return [...marks.values()]
    .sort((a, b) => a.time_s - b.time_s)
    .slice(-MOST_MARKS)
    .map(({ value, ...mark }) => ({ ...mark, price: value / mark.quantity }));
}

/** Prices near enough to the candles to be worth showing with them: within their own height, or a thousandth of the price. */
export function widened(low: number, high: number, prices: readonly number[]): readonly [number, number] {
  const room = Math.max(high - low, high / 1000);
  const near = prices.filter((price) => price >= low - room && price <= high + room);
  return [Math.min(low, ...near), Math.max(high, ...near)];
}

export class PriceChart implements BarView {
  private readonly chart: IChartApi;
  private readonly candles: ISeriesApi<"Candlestick">;
  private readonly volumes: ISeriesApi<"Histogram">;
  private readonly markers: ISeriesMarkersPluginApi<Time>;
  private colors = palette();
  private interval = 60;
  private bars: readonly Bar[] = [];
  private orderPrices: readonly number[] = [];

  /** `onmoved`: the prices may stand elsewhere now. */
  constructor(place: HTMLElement, onmoved: () => void) {
    this.chart = createChart(place, {
      autoSize: true,
      // The logo brings an inline style that the content security policy forbids; a link in the panel takes its place.
      layout: { fontSize: 11, fontFamily: getComputedStyle(place).fontFamily, attributionLogo: false },
      rightPriceScale: { entireTextOnly: true, scaleMargins: { top: 0.08, bottom: 0.2 } },
      timeScale: { timeVisible: true, rightOffset: 6, barSpacing: 7, tickMarkFormatter: (time: Time) => this.tickMark(time as number) },
      crosshair: { mode: CrosshairMode.Normal },
      localization: { timeFormatter: (time: Time) => new Date((time as number) * 1000).toLocaleString("en-GB") },
    });
    this.candles = this.chart.addSeries(CandlestickSeries, {
      borderVisible: false,
      autoscaleInfoProvider: (usual: () => AutoscaleInfo | null) => {
        const info = usual();
        if (info?.priceRange == null) return info;
        const [minValue, maxValue] = widened(info.priceRange.minValue, info.priceRange.maxValue, this.orderPrices);
        return { ...info, priceRange: { minValue, maxValue } };
      },
    });
    this.volumes = this.chart.addSeries(HistogramSeries, {
      priceScaleId: "volume",
      priceFormat: { type: "volume" },
      lastValueVisible: false,
      priceLineVisible: false,
    });
    this.chart.priceScale("volume").applyOptions({ scaleMargins: { top: 0.84, bottom: 0 } });
    this.markers = createSeriesMarkers(this.candles);
    // Called whenever the chart is drawn anew, so that what lies over it can follow.
    this.candles.attachPrimitive({ updateAllViews: onmoved });
    this.paint();
  }

  close(): void {
    this.chart.remove();
  }

  /** Takes the theme's colours. */
  paint(): void {
    const colors = (this.colors = palette());
    this.chart.applyOptions({
      layout: { background: { type: ColorType.Solid, color: colors.panel }, textColor: colors.muted },
      grid: { vertLines: { color: colors.grid }, horzLines: { color: colors.grid } },
      rightPriceScale: { borderColor: colors.line },
      timeScale: { borderColor: colors.line },
    });
    this.candles.applyOptions({
      upColor: colors.blue,
      downColor: colors.orange,
      wickUpColor: colors.blue,
      wickDownColor: colors.orange,
    });
    this.replace(this.bars);
  }

  setInstrument(precision: number, minMove: number): void {
    this.candles.applyOptions({ priceFormat: { type: "price", precision, minMove } });
  }

  setInterval(interval: number): void {
    this.interval = interval;
    this.chart.timeScale().applyOptions({ secondsVisible: interval < 60 });
  }

  replace(bars: readonly Bar[]): void {
    this.bars = bars;
    this.candles.setData(bars.map((bar) => ({ ...bar, time: bar.time_s as UTCTimestamp })));
    this.volumes.setData(bars.map((bar) => this.volume(bar)));
  }

  update(bar: Bar): void {
    this.candles.update({ ...bar, time: bar.time_s as UTCTimestamp });
    this.volumes.update(this.volume(bar));
  }

  showFills(fills: readonly Fill[]): void {
    this.markers.setMarkers(
      fillMarks(fills, this.interval).map((mark): SeriesMarker<Time> => {
        const buy = mark.side === "buy";
        return {
          time: mark.time_s as UTCTimestamp,
          position: buy ? "atPriceBottom" : "atPriceTop",
          price: mark.price,
          shape: buy ? "arrowUp" : "arrowDown",
          color: buy ? this.colors.blue : this.colors.orange,
          text: `${mark.quantity}`,
        };
      }),
    );
  }

  /** Working orders near the candles stay in sight. */
  showOrders(prices: readonly number[]): void {
    this.orderPrices = prices;
    this.candles.applyOptions({});
  }

  /** Pixels from the top; null where the price is out of sight. */
  yOf(price: number): number | null {
    return this.candles.priceToCoordinate(price);
  }

  priceAt(y: number): number | null {
    return this.candles.coordinateToPrice(y);
  }

  /** Pixels that the price axis takes at the right. */
  get axisWidth(): number {
    return this.chart.priceScale("right").width();
  }

  private volume(bar: Bar): { time: UTCTimestamp; value: number; color: string } {
    const color = bar.close >= bar.open ? this.colors.blueWash : this.colors.orangeWash;
    return { time: bar.time_s as UTCTimestamp, value: bar.volume, color };
  }

  /** Local time, with seconds where the candles are shorter than a minute, or the day where they are days. */
  private tickMark(time: number): string {
    const moment = new Date(time * 1000);
    if (this.interval >= DAY_S) return moment.toLocaleDateString("en-GB", { day: "numeric", month: "short" });
    const text = moment.toLocaleTimeString("en-GB");
    return this.interval < 60 ? text : text.slice(0, 5);
  }
}
