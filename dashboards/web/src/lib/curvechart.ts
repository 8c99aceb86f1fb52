/** Equity over time with its drawdown below, drawn by TradingView Lightweight Charts. */
import { AreaSeries, ColorType, createChart, type IChartApi, type ISeriesApi, type UTCTimestamp } from "lightweight-charts";
import type { EquityPoint } from "./api";
import { milliseconds } from "./format";
import { palette } from "./palette";

export class CurveChart {
  private readonly chart: IChartApi;
  private readonly equity: ISeriesApi<"Area">;
  private readonly drawdown: ISeriesApi<"Area">;

  constructor(place: HTMLElement) {
    this.chart = createChart(place, {
      autoSize: true,
      layout: { fontSize: 10, fontFamily: getComputedStyle(place).fontFamily, attributionLogo: false },
      rightPriceScale: { borderVisible: false, entireTextOnly: true, scaleMargins: { top: 0.08, bottom: 0.36 } },
      timeScale: { timeVisible: true, borderVisible: false, lockVisibleTimeRangeOnResize: true },
      handleScale: false,
      handleScroll: false,
      localization: { timeFormatter: (time: unknown) => new Date((time as number) * 1000).toLocaleString("en-GB") },
    });
    const quiet = { lineWidth: 2, priceLineVisible: false, lastValueVisible: false } as const;
    this.equity = this.chart.addSeries(AreaSeries, quiet);
    this.drawdown = this.chart.addSeries(AreaSeries, { ...quiet, lineWidth: 1, priceScaleId: "drawdown", invertFilledArea: true });
    this.chart.priceScale("drawdown").applyOptions({ scaleMargins: { top: 0.74, bottom: 0.02 } });
    this.paint();
  }

  close(): void {
    this.chart.remove();
  }

  paint(): void {
    const colors = palette();
    this.chart.applyOptions({
      layout: { background: { type: ColorType.Solid, color: colors.panel }, textColor: colors.muted },
      grid: { vertLines: { visible: false }, horzLines: { color: colors.grid } },
    });
    this.equity.applyOptions({ lineColor: colors.blue, topColor: colors.blueWash, bottomColor: "transparent" });
    this.drawdown.applyOptions({ lineColor: colors.orange, topColor: colors.orangeWash, bottomColor: colors.orangeWash });
  }

  /** Points of one second are one: the last. */
  show(points: readonly EquityPoint[]): void {
    const bySecond = new Map(points.map((point) => [Math.floor(milliseconds(point.ts_ns) / 1000) as UTCTimestamp, point]));
    const shown = [...bySecond.entries()];
    this.equity.setData(shown.map(([time, point]) => ({ time, value: Number(point.equity) })));
    this.drawdown.setData(shown.map(([time, point]) => ({ time, value: -Math.abs(Number(point.drawdown)) })));
    this.chart.timeScale().fitContent();
  }
}
