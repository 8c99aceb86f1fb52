/**
 * The Sharpe ratio of a curve of equity (W. F. Sharpe, "The Sharpe Ratio", 1994), with a risk-free rate of nothing: mean
 * over standard deviation of the returns of equal steps, times the root of how many steps a year has. Pure.
 */

const MINUTE_S = 60;
const HOUR_S = 3600;
const DAY_S = 86_400;
const YEAR_S = 365 * DAY_S;
const LEAST = 10;

export interface Sharpe {
  readonly ratio: number;
  /** Seconds of a step, and how many returns there were. */
  readonly step_s: number;
  readonly returns: number;
}

/** The longest step of a day, an hour or a minute that gives at least ten returns. */
function stepFor(span_s: number): number | null {
  return [DAY_S, HOUR_S, MINUTE_S].find((step) => span_s / step >= LEAST) ?? null;
}

/** Null where the curve is too short, or never moves. `points`: (seconds, equity), oldest first. */
export function sharpe(points: readonly (readonly [number, number])[]): Sharpe | null {
  const [first, last] = [points[0], points.at(-1)];
  if (first === undefined || last === undefined) return null;
  const step = stepFor(last[0] - first[0]);
  if (step === null) return null;
  const sampled: number[] = [];
  let at = 0;
  for (let time = first[0]; time <= last[0]; time += step) {
    while (at + 1 < points.length && points[at + 1]![0] <= time) at++;
    sampled.push(points[at]![1]);
  }
  const returns = sampled.slice(1).map((equity, index) => equity / sampled[index]! - 1);
  if (returns.some((value) => !Number.isFinite(value)) || returns.length < 2) return null;
  const mean = returns.reduce((sum, value) => sum + value, 0) / returns.length;
  const variance = returns.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (returns.length - 1);
  if (variance === 0) return null;
  return { ratio: (mean / Math.sqrt(variance)) * Math.sqrt(YEAR_S / step), step_s: step, returns: returns.length };
}
