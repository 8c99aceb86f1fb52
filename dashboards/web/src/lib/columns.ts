/** The columns of the blotter's tables. */
import { averagePrice, clock, exact, moment, NOTHING, orderPrice, word } from "./format";
import type { Fill, Order } from "./messages";
import type { Column } from "./table";

/** How an average price of a symbol is rounded. */
type Places = (symbol: string) => number;

/** An ISO date and time with nanoseconds, UTC, for a file. */
export function isoTime(ns: string): string {
  const whole = BigInt(ns);
  const seconds = Number(whole / 1_000_000_000n);
  const rest = (whole % 1_000_000_000n).toString().padStart(9, "0");
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}.${rest}Z`;
}

const orderTime: Column<Order> = {
  id: "time",
  title: "Time",
  text: (order) => clock(order.created_ns),
  sort: (order) => BigInt(order.created_ns),
  file: (order) => isoTime(order.created_ns),
  hint: (order) => moment(order.created_ns),
  tone: () => "muted",
  roomy: true,
};

function filled(order: Order, places: Places): string {
  if (order.average_price === null) return order.filled_quantity;
  return `${order.filled_quantity} @ ${averagePrice(order.average_price, places(order.symbol))}`;
}

export function workingColumns(places: Places): Column<Order>[] {
  return [
    { id: "symbol", title: "Symbol", text: (order) => order.symbol },
    { id: "side", title: "Side", text: (order) => order.side ?? NOTHING, tone: (order) => order.side ?? "" },
    { id: "quantity", title: "Quantity", number: true, custom: true, text: (order) => order.quantity, sort: (order) => Number(order.quantity) },
    { id: "filled", title: "Filled", number: true, text: (order) => filled(order, places), sort: (order) => Number(order.filled_quantity) },
    { id: "price", title: "Price", number: true, custom: true, text: orderPrice, sort: (order) => Number(order.limit_price ?? order.stop_price ?? 0) },
    { id: "force", title: "In force", text: (order) => order.time_in_force ?? NOTHING, roomy: true },
    orderTime,
  ];
}

export function historyColumns(places: Places): Column<Order>[] {
  return [
    orderTime,
    { id: "symbol", title: "Symbol", text: (order) => order.symbol },
    { id: "side", title: "Side", text: (order) => order.side ?? NOTHING, tone: (order) => order.side ?? "" },
    { id: "type", title: "Type", text: (order) => word(order.order_type ?? NOTHING), roomy: true },
    { id: "quantity", title: "Quantity", number: true, text: (order) => order.quantity, sort: (order) => Number(order.quantity) },
    { id: "price", title: "Price", number: true, text: orderPrice, sort: (order) => Number(order.limit_price ?? order.stop_price ?? 0) },
    { id: "filled", title: "Filled", number: true, text: (order) => order.filled_quantity, sort: (order) => Number(order.filled_quantity) },
    {
      id: "average",
      title: "Average",
      number: true,
      text: (order) => (order.average_price === null ? NOTHING : averagePrice(order.average_price, places(order.symbol))),
      file: (order) => order.average_price ?? "",
    },
    { id: "status", title: "Status", text: (order) => word(order.status), hint: (order) => order.text ?? undefined },
    { id: "reason", title: "Reason", text: (order) => (order.reason === null ? "" : word(order.reason)), roomy: true },
    { id: "id", title: "Order", text: (order) => order.order_id, sort: (order) => BigInt(order.order_id), roomy: true, tone: () => "muted" },
  ];
}

export const FILL_COLUMNS: readonly Column<Fill>[] = [
  {
    id: "time",
    title: "Time",
    text: (fill) => clock(fill.ts_ns),
    sort: (fill) => BigInt(fill.ts_ns),
    file: (fill) => isoTime(fill.ts_ns),
    hint: (fill) => moment(fill.ts_ns),
    tone: () => "muted",
  },
  { id: "symbol", title: "Symbol", text: (fill) => fill.symbol },
  { id: "side", title: "Side", text: (fill) => fill.side, tone: (fill) => fill.side },
  { id: "quantity", title: "Quantity", number: true, text: (fill) => fill.quantity, sort: (fill) => Number(fill.quantity) },
  { id: "price", title: "Price", number: true, text: (fill) => fill.price, sort: (fill) => Number(fill.price) },
  { id: "fee", title: "Fee", number: true, text: (fill) => exact(fill.fee), file: (fill) => fill.fee, sort: (fill) => Number(fill.fee) },
  { id: "role", title: "Role", text: (fill) => fill.liquidity, roomy: true, tone: () => "muted" },
  { id: "order", title: "Order", text: (fill) => fill.order_id, roomy: true, tone: () => "muted" },
];
