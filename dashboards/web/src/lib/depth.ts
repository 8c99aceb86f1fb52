/** Cumulative depth: how much lies within each price, as steps to draw. Pure. */
import type { Book } from "./messages";

export interface Step {
  readonly price: number;
  /** All that lies at this price or better. */
  readonly total: number;
}

export interface Depth {
  readonly bids: readonly Step[];
  readonly asks: readonly Step[];
  readonly low: number;
  readonly high: number;
  readonly most: number;
}

function steps(levels: Book["bids"]): Step[] {
  let total = 0;
  return levels.map(([price, quantity]) => ({ price: Number(price), total: (total += Number(quantity)) }));
}

/** Symmetric around the middle, so that a lopsided book looks lopsided; null where a side is empty. */
export function depthOf(book: Book | null): Depth | null {
  const bids = steps(book?.bids ?? []);
  const asks = steps(book?.asks ?? []);
  const [bestBid, bestAsk, lastBid, lastAsk] = [bids[0], asks[0], bids.at(-1), asks.at(-1)];
  if (bestBid === undefined || bestAsk === undefined || lastBid === undefined || lastAsk === undefined) return null;
  const mid = (bestBid.price + bestAsk.price) / 2;
  const half = Math.max(mid - lastBid.price, lastAsk.price - mid) || bestAsk.price - bestBid.price || 1;
  return { bids, asks, low: mid - half, high: mid + half, most: Math.max(lastBid.total, lastAsk.total) };
}

/** An SVG path in a box of `width` × `height`, closed along its bottom. */
export function areaPath(depth: Depth, side: "bids" | "asks", width: number, height: number): string {
  const x = (price: number): string => (((price - depth.low) / (depth.high - depth.low)) * width).toFixed(1);
  const y = (total: number): string => (height - (total / depth.most) * height * 0.94).toFixed(1);
  const edge = side === "bids" ? 0 : width;
  let path = "";
  let before = height.toFixed(1);
  let first = "";
  for (const { price, total } of depth[side]) {
    const at = x(price);
    path += path === "" ? `M${at},${before}V${y(total)}` : `H${at}V${y(total)}`;
    if (first === "") first = at;
    before = y(total);
  }
  return `${path}H${edge}V${height}H${first}Z`;
}
