// Written by `python -m infra.typescript` from engine/messages.py. Do not edit.

/** An exact decimal number as text: never parsed into a float except to draw with. */
export type DecimalText = string;
/** Nanoseconds since the epoch, UTC, as text: they pass 2^53. */
export type NanosecondText = string;

export type Side =
  | "buy"
  | "sell";

export type OrderType =
  | "market"
  | "limit"
  | "stop"
  | "stop_limit"
  | "trailing_stop";

export type TimeInForce =
  | "day"
  | "gtc"
  | "gtd"
  | "ioc"
  | "fok"
  | "opg"
  | "cls";

export type OrderStatus =
  | "pending_new"
  | "new"
  | "partially_filled"
  | "filled"
  | "canceled"
  | "rejected"
  | "expired";

export type ExecType =
  | "new"
  | "trade"
  | "canceled"
  | "replaced"
  | "rejected"
  | "expired"
  | "triggered"
  | "restated"
  | "print";

export type Liquidity =
  | "none"
  | "maker"
  | "taker";

export type SelfTrade =
  | "none"
  | "cancel_newest"
  | "cancel_oldest"
  | "cancel_both"
  | "decrement";

export type SelfTradeScope =
  | "account"
  | "firm";

export type ListType =
  | "oco"
  | "oto"
  | "bracket";

export type Phase =
  | "closed"
  | "opening_auction"
  | "continuous"
  | "closing_auction"
  | "halted";

export type Source =
  | "zeromq"
  | "kafka"
  | "rest"
  | "websocket"
  | "system";

export type Durability =
  | "journaled"
  | "synced"
  | "committed";

export type Outcome =
  | "accepted"
  | "rejected"
  | "duplicate";

export type Reason =
  | "none"
  | "malformed"
  | "missing_field"
  | "invalid_field"
  | "unknown_symbol"
  | "unknown_account"
  | "unknown_order"
  | "not_authorized"
  | "unsupported"
  | "invalid_quantity"
  | "quantity_increment"
  | "invalid_price"
  | "price_increment"
  | "price_band"
  | "duplicate_client_order_id"
  | "too_late"
  | "capacity"
  | "no_liquidity"
  | "busy"
  | "market_closed"
  | "halted"
  | "trading_phase"
  | "post_only"
  | "reduce_only"
  | "self_trade"
  | "max_order_quantity"
  | "max_order_notional"
  | "max_open_orders"
  | "position_limit"
  | "buying_power"
  | "price_collar"
  | "rate_limit"
  | "kill_switch"
  | "no_reference_price"
  | "invalid_list"
  | "linked_order"
  | "day_ended"
  | "disconnected"
  | "corporate_action";

export type AlertKind =
  | "limit"
  | "drawdown"
  | "feed_stale";

/** Statuses of an order that can still trade. */
export const WORKING: readonly OrderStatus[] = ["pending_new", "new", "partially_filled"];

/** One leg of an `OrderList`: a `NewOrder` without what all legs share. */
export interface ListedOrder {
  side: Side;
  quantity: DecimalText;
  order_type?: OrderType;
  time_in_force?: TimeInForce;
  limit_price?: DecimalText | null;
  stop_price?: DecimalText | null;
  trail_amount?: DecimalText | null;
  trail_percent?: DecimalText | null;
  display_quantity?: DecimalText | null;
  expires_ns?: number;
  post_only?: boolean;
  reduce_only?: boolean;
  self_trade_prevention?: SelfTrade | null;
  client_order_id?: string | null;
}

export interface NewOrder {
  type: "new";
  account: string;
  transact_ns?: number;
  durability?: Durability | null;
  symbol: string;
  side: Side;
  quantity: DecimalText;
  order_type?: OrderType;
  time_in_force?: TimeInForce;
  limit_price?: DecimalText | null;
  stop_price?: DecimalText | null;
  trail_amount?: DecimalText | null;
  trail_percent?: DecimalText | null;
  display_quantity?: DecimalText | null;
  expires_ns?: number;
  post_only?: boolean;
  reduce_only?: boolean;
  self_trade_prevention?: SelfTrade | null;
  client_order_id?: string | null;
  strategy?: string | null;
}

/** Orders that belong together: `oco` (two exits, each reduces the other), `oto` (the second waits for the first) or
 * `bracket` (an entry, its take-profit and its stop-loss, in this order). */
export interface OrderList {
  type: "order_list";
  account: string;
  transact_ns?: number;
  durability?: Durability | null;
  symbol: string;
  list_type: ListType;
  orders: readonly ListedOrder[];
  strategy?: string | null;
}

/** The order is named by `order_id`, or by the `client_order_id` that it was entered with. */
export interface Cancel {
  type: "cancel";
  account: string;
  transact_ns?: number;
  durability?: Durability | null;
  symbol?: string | null;
  order_id?: string | null;
  client_order_id?: string | null;
}

/** The order is named as in `Cancel`; what is not given stays. `quantity` is the whole new quantity, filled part
 * included. A pure decrease keeps the order's place in its queue; anything else loses it. `stop_price` moves a stop
 * that has not been triggered. */
export interface Replace {
  type: "replace";
  account: string;
  transact_ns?: number;
  durability?: Durability | null;
  symbol?: string | null;
  order_id?: string | null;
  client_order_id?: string | null;
  quantity?: DecimalText | null;
  limit_price?: DecimalText | null;
  stop_price?: DecimalText | null;
}

/** Cancels the account's working orders: all, those of one symbol, of one side, or of both. */
export interface CancelAll {
  type: "cancel_all";
  account: string;
  transact_ns?: number;
  durability?: Durability | null;
  symbol?: string | null;
  side?: Side | null;
}

export type OrderCommand = NewOrder | OrderList | Cancel | Replace | CancelAll;

/** The latest state of one order: the fold of its execution reports (REST, SSE, Redis; table `orders`). */
export interface Order {
  v: number;
  order_id: string;
  client_order_id: string;
  list_id: string | null;
  account: string;
  symbol: string;
  side: Side | null;
  order_type: OrderType | null;
  time_in_force: TimeInForce | null;
  expires_ns: NanosecondText | null;
  quantity: DecimalText;
  display_quantity: DecimalText | null;
  limit_price: DecimalText | null;
  stop_price: DecimalText | null;
  trail_amount: DecimalText | null;
  trail_percent: DecimalText | null;
  post_only: boolean;
  reduce_only: boolean;
  status: OrderStatus;
  filled_quantity: DecimalText;
  leaves_quantity: DecimalText;
  average_price: DecimalText | null;
  reason: Reason | null;
  field: string | null;
  text: string | null;
  strategy: string | null;
  source: string;
  created_ns: NanosecondText;
  updated_ns: NanosecondText;
  last_seq: number;
  last_index: number;
}

/** Topic `order-events`: an execution report. While an order works, quantity = filled + leaves. */
export interface OrderEvent {
  v: number;
  seq: number;
  index: number;
  ts_ns: NanosecondText;
  transact_ns: NanosecondText;
  exec_id: string;
  exec_type: ExecType;
  order_status: OrderStatus;
  reason: Reason | null;
  field: string | null;
  text: string | null;
  order_id: string;
  client_order_id: string;
  orig_client_order_id: string | null;
  list_id: string | null;
  account: string;
  symbol: string;
  side: Side | null;
  order_type: OrderType | null;
  time_in_force: TimeInForce | null;
  expires_ns: NanosecondText | null;
  quantity: DecimalText;
  display_quantity: DecimalText | null;
  limit_price: DecimalText | null;
  stop_price: DecimalText | null;
  trail_amount: DecimalText | null;
  trail_percent: DecimalText | null;
  post_only: boolean;
  reduce_only: boolean;
  self_trade_prevention: SelfTrade | null;
  filled_quantity: DecimalText;
  leaves_quantity: DecimalText;
  average_price: DecimalText | null;
  last_quantity: DecimalText | null;
  last_price: DecimalText | null;
  liquidity: Liquidity | null;
  fee: DecimalText | null;
  strategy: string | null;
  source: string;
}

/** Topic `fills`: one side of a trade. `fee` is negative for a rebate. */
export interface Fill {
  v: number;
  fill_id: string;
  trade_id: string;
  seq: number;
  index: number;
  ts_ns: NanosecondText;
  transact_ns: NanosecondText;
  account: string;
  symbol: string;
  side: Side;
  quantity: DecimalText;
  price: DecimalText;
  fee: DecimalText;
  liquidity: Liquidity;
  order_id: string;
  client_order_id: string;
  strategy: string | null;
  action_seq: number;
}

/** Topic `trades`: the anonymous tape. `hidden` marks a print that did not go through the book. */
export interface Trade {
  v: number;
  trade_id: string;
  seq: number;
  index: number;
  ts_ns: NanosecondText;
  transact_ns: NanosecondText;
  symbol: string;
  price: DecimalText;
  quantity: DecimalText;
  aggressor_side: Side | null;
  hidden: boolean;
  action_seq: number;
}

/** Topic `books`: the top levels, best first, as (price, quantity, number of orders), after command `seq`.
 * 
 * In an auction `indicative_price` and `indicative_quantity` say what an uncross would trade now, null: nothing. */
export interface Book {
  v: number;
  symbol: string;
  seq: number;
  ts_ns: NanosecondText;
  bids: readonly (readonly [DecimalText, DecimalText, number])[];
  asks: readonly (readonly [DecimalText, DecimalText, number])[];
  phase: Phase;
  indicative_price: DecimalText | null;
  indicative_quantity: DecimalText | null;
  action_seq: number;
}

/** A position as one strategy tag has traded it; what carries no tag is in none of them. */
export interface StrategyPosition {
  strategy: string;
  quantity: DecimalText;
  average_price: DecimalText | null;
  cost: DecimalText;
  realized_pnl: DecimalText;
  fees: DecimalText;
  bought_quantity: DecimalText;
  sold_quantity: DecimalText;
}

/** Topic `positions`: an account's position in one symbol after the fill (`last_seq`, `last_index`), or after the
 * corporate action `last_seq` (`last_index` 0); `last_price` is then the symbol's after it.
 * 
 * `quantity` is signed. `average_price` is null when flat. `realized_pnl` does not hold the fees. `strategies` are
 * those whose own position this record changes. */
export interface Position {
  v: number;
  account: string;
  symbol: string;
  quantity: DecimalText;
  average_price: DecimalText | null;
  cost: DecimalText;
  realized_pnl: DecimalText;
  fees: DecimalText;
  bought_quantity: DecimalText;
  sold_quantity: DecimalText;
  last_price: DecimalText;
  last_seq: number;
  last_index: number;
  ts_ns: NanosecondText;
  strategies: readonly StrategyPosition[];
  action_seq: number;
}

/** The price that a position was valued at: `source` is `mid`, `last`, `closing` or `adjusted`, `seq` that of the
 * book, trade, close or corporate action, and `position_seq`, `position_index` name the fill or action up to which the
 * position was counted. */
export interface Mark {
  price: DecimalText;
  source: string;
  seq: number;
  position_seq: number;
  position_index: number;
  quantity: DecimalText;
  unrealized_pnl: DecimalText;
}

/** What one strategy tag of an account has earned, at the account's marks. `profit` = realized + unrealized −
 * fees; a strategy has no deposits, so its drawdown is from `peak_profit`. */
export interface StrategyPnl {
  realized_pnl: DecimalText;
  unrealized_pnl: DecimalText;
  fees: DecimalText;
  profit: DecimalText;
  peak_profit: DecimalText;
  drawdown: DecimalText;
  gross_exposure: DecimalText;
  net_exposure: DecimalText;
}

/** What an account has earned in instruments of another currency than its own, in that currency. It is converted at
 * `price` of the instrument `symbol`, whose name is both currencies (EURUSD: dollars for a euro); all null where no
 * such price is known, and then it is in none of the account's sums. */
export interface CurrencyPnl {
  realized_pnl: DecimalText;
  unrealized_pnl: DecimalText;
  fees: DecimalText;
  gross_exposure: DecimalText;
  net_exposure: DecimalText;
  symbol: string | null;
  price: DecimalText | null;
  source: string | null;
  seq: number | null;
}

/** Topic `pnl`: an account marked to the market, in its own currency. `equity` = deposits + realized + unrealized −
 * fees. */
export interface Pnl {
  v: number;
  account: string;
  currency: string;
  deposits: DecimalText;
  realized_pnl: DecimalText;
  unrealized_pnl: DecimalText;
  fees: DecimalText;
  equity: DecimalText;
  peak_equity: DecimalText;
  drawdown: DecimalText;
  gross_exposure: DecimalText;
  net_exposure: DecimalText;
  marks: Readonly<Record<string, Mark>>;
  last_seq: number;
  ts_ns: NanosecondText;
  strategies: Readonly<Record<string, StrategyPnl>>;
  currencies: Readonly<Record<string, CurrencyPnl>>;
}

/** Topic `candles`: the trades of a symbol in one interval by event time, which begins at `start_ns`. `turnover` is
 * price × quantity, `vwap` = turnover / volume. Open (`closed` false) it is shown as it stands after the trade
 * (`last_seq`, `last_index`), sequenced at `ts_ns`; closed, no later trade changes it. */
export interface Candle {
  v: number;
  symbol: string;
  interval_s: number;
  start_ns: NanosecondText;
  open: DecimalText;
  high: DecimalText;
  low: DecimalText;
  close: DecimalText;
  volume: DecimalText;
  turnover: DecimalText;
  vwap: DecimalText;
  trades: number;
  closed: boolean;
  last_seq: number;
  last_index: number;
  ts_ns: NanosecondText;
}

/** Topic `order-flow`: a symbol's last `window_s` seconds up to the report (`last_seq`, `last_index`), and its best
 * prices by the book of `book_seq`. Ratios are in 1 (−1 to 1, or 0 to 1), null where there is nothing to divide by. */
export interface OrderFlow {
  v: number;
  symbol: string;
  window_s: number;
  spread: DecimalText | null;
  mid: DecimalText | null;
  imbalance: DecimalText | null;
  book_seq: number | null;
  orders: number;
  rejected: number;
  canceled: number;
  trades: number;
  volume: DecimalText;
  buy_volume: DecimalText;
  sell_volume: DecimalText;
  vwap: DecimalText | null;
  trade_imbalance: DecimalText | null;
  realized_volatility: DecimalText;
  fill_ratio: DecimalText | null;
  last_seq: number;
  last_index: number;
  ts_ns: NanosecondText;
}

/** Topic `alerts`: something begins (`raised`), or ends, to be worth telling. `used` is the share of a limit, of the
 * peak equity (drawdown) or of the silence that is borne (feed_stale), in 1; `threshold` is where it is told, null
 * where what it was about is gone. `account` is null where it is about a symbol's feed. */
export interface Alert {
  v: number;
  account: string | null;
  kind: AlertKind;
  symbol: string | null;
  limit_name: string | null;
  raised: boolean;
  used: DecimalText;
  threshold: DecimalText | null;
  text: string;
  last_seq: number;
  ts_ns: NanosecondText;
}

/** Topic `instruments` (compact): reference data, as the engine holds it. */
export interface Instrument {
  v: number;
  symbol: string;
  instrument_id: number;
  tick_size: DecimalText;
  lot_size: DecimalText;
  price_min: DecimalText;
  price_max: DecimalText;
  maker_fee_ppm: number;
  taker_fee_ppm: number;
  currency: string;
  description: string;
  calendar: string;
  phase: Phase;
  action_seq: number;
  closing_price: DecimalText | null;
  closing_seq: number;
  seq: number;
  ts_ns: NanosecondText;
}

/** An account's limits in one symbol, or in every other one (`symbol` null); null: no limit. */
export interface SymbolLimits {
  symbol: string | null;
  max_order_quantity: DecimalText | null;
  max_order_notional: DecimalText | null;
  max_open_orders: number | null;
  max_long: DecimalText | null;
  max_short: DecimalText | null;
  price_collar_ppm: number | null;
}

/** Topic `accounts` (compact): an account, all that was ever paid into it, and what it may do. */
export interface Account {
  v: number;
  account: string;
  account_id: number;
  currency: string;
  deposits: DecimalText;
  firm: string | null;
  margin_multiple: DecimalText | null;
  self_trade_prevention: SelfTrade;
  self_trade_scope: SelfTradeScope;
  messages_per_second: number | null;
  message_burst: number | null;
  maker_fee_ppm: number | null;
  taker_fee_ppm: number | null;
  killed: boolean;
  limits: readonly SymbolLimits[];
  cost_method: string;
  seq: number;
  ts_ns: NanosecondText;
}

/** The engine's answer to one command. `seq` is 0 where it was refused before it was sequenced; `field` and `text`
 * say what was wrong with it. */
export interface Reply {
  outcome: Outcome;
  seq: number;
  durability: Durability | null;
  order_id: string | null;
  client_order_id: string | null;
  order_status: OrderStatus | null;
  quantity: DecimalText | null;
  filled_quantity: DecimalText | null;
  leaves_quantity: DecimalText | null;
  average_price: DecimalText | null;
  affected: number | null;
  reason: Reason | null;
  field: string | null;
  text: string | null;
  orders: readonly Reply[] | null;
}

/** What an order would do if it came in now (`engine.preview`); nothing of it is sequenced.
 * 
 * `accepted` false: it would be refused, for `reason`. Money is in the account's currency. */
export interface Preview {
  account: string;
  symbol: string;
  accepted: boolean;
  reason: Reason | null;
  field: string | null;
  text: string | null;
  risk_price: DecimalText | null;
  notional: DecimalText;
  fee: DecimalText;
  opening_quantity: DecimalText;
  reservation: DecimalText;
  buying_power: DecimalText | null;
  buying_power_after: DecimalText | null;
  position: DecimalText;
  position_after: DecimalText;
  open_buys: DecimalText;
  open_sells: DecimalText;
  fills_now: DecimalText;
  fills_now_price: DecimalText | null;
  fills_now_notional: DecimalText;
  fills_now_fee: DecimalText;
  seq: number;
  ts_ns: NanosecondText;
}
