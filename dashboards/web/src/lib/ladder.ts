/** The rows of a price ladder: one for each tick (or group of ticks) in view, whether anybody quotes there or not. Pure. */
import { add } from "./decimals";
import type { Book, DecimalText, Order, Side } from "./messages";
import { fromTicks, toTicks } from "./ticks";

export interface Rung {
  /** Of its lower edge, in ticks. */
  readonly ticks: number;
  readonly price: DecimalText;
  readonly bid: DecimalText | null;
  readonly ask: DecimalText | null;
  /** Of the largest size in view, 0 to 1. */
  readonly bidShare: number;
  readonly askShare: number;
  readonly buys: Own | null;
  readonly sells: Own | null;
  readonly best: Side | null;
}

/** Own working orders at one price. */
export interface Own {
  readonly quantity: DecimalText;
  readonly orders: readonly Order[];
}

export interface LadderView {
  /** The tick in the middle of the view. */
  readonly centre: number;
  readonly rows: number;
  /** Ticks of one row. */
  readonly group: number;
}

/** Own orders by row and side; a stop stands at its stop price, where it has no limit. */
export type OwnByRow = ReadonlyMap<string, Own>;

/** Down for buying, up for selling: a row never shows a price as better than it is. */
export function rowOf(price: DecimalText, tick: DecimalText, side: Side, group: number): number {
  const ticks = toTicks(price, tick, side === "buy" ? "floor" : "ceil");
  return (side === "buy" ? Math.floor(ticks / group) : Math.ceil(ticks / group)) * group;
}

/** The price at which an order shows on a ladder or a chart: its limit, or its stop; null for a market order. */
export function shownPrice(order: Pick<Order, "limit_price" | "stop_price">): DecimalText | null {
  return order.limit_price ?? order.stop_price;
}

export function ownByRow(orders: readonly Order[], tick: DecimalText, group: number): OwnByRow {
  const rows = new Map<string, { quantity: DecimalText; orders: Order[] }>();
  for (const order of orders) {
    const price = shownPrice(order);
    if (price === null || order.side === null) continue;
    const key = `${order.side}${rowOf(price, tick, order.side, group)}`;
    const own = rows.get(key);
    if (own === undefined) rows.set(key, { quantity: order.leaves_quantity, orders: [order] });
    else {
      own.quantity = add(own.quantity, order.leaves_quantity);
      own.orders.push(order);
    }
  }
  return rows;
}

type Sizes = Map<number, { quantity: DecimalText; size: number }>;

function sizes(levels: Book["bids"], tick: DecimalText, side: Side, group: number): Sizes {
  const rows: Sizes = new Map();
  for (const [price, quantity] of levels) {
    const row = rowOf(price, tick, side, group);
    const sum = rows.get(row);
    if (sum === undefined) rows.set(row, { quantity, size: Number(quantity) });
    else {
      sum.quantity = add(sum.quantity, quantity);
      sum.size += Number(quantity);
    }
  }
  return rows;
}

/** From the highest price down. */
export function rungs(book: Book | null, own: OwnByRow, tick: DecimalText, view: LadderView): Rung[] {
  const { group, rows } = view;
  const bids = sizes(book?.bids ?? [], tick, "buy", group);
  const asks = sizes(book?.asks ?? [], tick, "sell", group);
  const bestBid = book?.bids[0] === undefined ? null : rowOf(book.bids[0][0], tick, "buy", group);
  const bestAsk = book?.asks[0] === undefined ? null : rowOf(book.asks[0][0], tick, "sell", group);
  const top = (Math.floor(view.centre / group) + Math.floor(rows / 2)) * group;
  const shown = Array.from({ length: rows }, (_, index) => top - index * group).filter((ticks) => ticks > 0);
  const largest = Math.max(1e-12, ...shown.map((row) => Math.max(bids.get(row)?.size ?? 0, asks.get(row)?.size ?? 0)));
  return shown.map((ticks) => {
    const bid = bids.get(ticks);
    const ask = asks.get(ticks);
    return {
      ticks,
      price: fromTicks(ticks, tick),
      bid: bid?.quantity ?? null,
      ask: ask?.quantity ?? null,
      bidShare: (bid?.size ?? 0) / largest,
      askShare: (ask?.size ?? 0) / largest,
      buys: own.get(`buy${ticks}`) ?? null,
      sells: own.get(`sell${ticks}`) ?? null,
      best: ticks === bestBid ? "buy" : ticks === bestAsk ? "sell" : null,
    };
  });
}

/** The middle of the book in ticks, null for an empty one. */
export function middle(book: Book | null, tick: DecimalText): number | null {
  const bid = book?.bids[0]?.[0];
  const ask = book?.asks[0]?.[0];
  if (bid === undefined && ask === undefined) return null;
  if (bid === undefined || ask === undefined) return toTicks((bid ?? ask)!, tick);
  return Math.round((toTicks(bid, tick) + toTicks(ask, tick)) / 2);
}

/**
 * Where the view is centred next. It stands still until the market comes near its edge: a ladder that moves with
 * every quote cannot be clicked.
 */
export function followed(centre: number | null, mid: number | null, rows: number, group: number): number | null {
  if (mid === null || centre === null) return mid ?? centre;
  const room = Math.max(1, Math.floor(rows / 2) - 3) * group;
  return Math.abs(mid - centre) > room ? mid : centre;
}

/** Ticks in a row, so that the shown depth of a book spans about a view. */
export const GROUPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000] as const;

export function fittingGroup(book: Book | null, tick: DecimalText, rows: number): number {
  const low = book?.bids[Math.min(7, book.bids.length - 1)]?.[0];
  const high = book?.asks[Math.min(7, book.asks.length - 1)]?.[0];
  if (low === undefined || high === undefined) return 1;
  const span = toTicks(high, tick) - toTicks(low, tick);
  return GROUPS.find((group) => span / group <= rows) ?? 1000;
}
