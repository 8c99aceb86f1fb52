"""JSON messages: commands as people send them, one class for each Kafka topic, and the engine's answers.

Each is declared once, here; JSON Schema, TypeScript types and SQL columns are generated from these classes or checked
against them. Prices, quantities and money are decimal text; `*_ns` are integer nanoseconds since the epoch, UTC. The
words that some fields hold are in `words`, the same commands as binary records in `layout`."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from engine.layout import CLIENT_ORDER_ID_LENGTH, NAME_LENGTH

SCHEMA_VERSION: Final = 1
"""Carried as `v` by every record: a reader ignores fields that it does not know, and refuses none for a larger `v`."""

END: Final = r"$(?!\n)"
"""End of a pattern: Python's `$` alone would let a last newline pass. JSON Schema reads it the same way."""

NAME_PATTERN: Final = rf"^[A-Za-z0-9._:/-]+{END}"
CLIENT_ORDER_ID_PATTERN: Final = rf"^[!-~]+{END}"
DECIMAL: Final = r"-?[0-9]+(\.[0-9]+)?"
DECIMAL_PATTERN: Final = rf"^{DECIMAL}{END}"
ORDER_ID_PATTERN: Final = rf"^[0-9]+{END}"

Name = Annotated[str, Meta(min_length=1, max_length=NAME_LENGTH, pattern=NAME_PATTERN)]
"""A symbol, an account or a strategy tag: at most 16 ASCII characters."""

ClientOrderId = Annotated[str, Meta(min_length=1, max_length=CLIENT_ORDER_ID_LENGTH, pattern=CLIENT_ORDER_ID_PATTERN)]
"""At most 48 printable ASCII characters without spaces, unique within the account: the idempotency key."""

DecimalText = Annotated[str, Meta(pattern=DECIMAL_PATTERN)]
"""An exact decimal number as text."""

OrderId = Annotated[str, Meta(max_length=20, pattern=ORDER_ID_PATTERN)]
"""The engine's order number as text (it may pass 2^53)."""


class Command(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="type"):
    """What a person or program asks of the engine, as JSON. `type` tells which command it is."""

    account: Name
    transact_ns: int = 0
    """FIX 60: when the event happened by the sender's clock, 0 where it is the moment of arrival. A replayed
    day keeps its own times here; `ts_ns`, which the engine stamps, is always the time of arrival."""
    durability: str | None = None
    """What the reply waits for (`words.Durability`), null: what the session asked for. Records of the topic `orders`
    get no reply, so that it changes nothing there."""


class NewOrder(Command, tag="new", kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    symbol: Name
    side: str
    quantity: Decimal
    order_type: str = "limit"
    time_in_force: str = "day"
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_amount: Decimal | None = None
    trail_percent: Decimal | None = None
    display_quantity: Decimal | None = None
    expires_ns: int = 0
    post_only: bool = False
    reduce_only: bool = False
    self_trade_prevention: str | None = None
    client_order_id: ClientOrderId | None = None
    strategy: Name | None = None


class Cancel(Command, tag="cancel", kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The order is named by `order_id`, or by the `client_order_id` that it was entered with."""

    symbol: Name | None = None
    order_id: OrderId | None = None
    client_order_id: ClientOrderId | None = None


class ListedOrder(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One leg of an `OrderList`: a `NewOrder` without what all legs share."""

    side: str
    quantity: Decimal
    order_type: str = "limit"
    time_in_force: str = "day"
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_amount: Decimal | None = None
    trail_percent: Decimal | None = None
    display_quantity: Decimal | None = None
    expires_ns: int = 0
    post_only: bool = False
    reduce_only: bool = False
    self_trade_prevention: str | None = None
    client_order_id: ClientOrderId | None = None


class OrderList(Command, tag="order_list", kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Orders that belong together: `oco` (two exits, each reduces the other), `oto` (the second waits for the first) or
    `bracket` (an entry, its take-profit and its stop-loss, in this order)."""

    symbol: Name
    list_type: str
    orders: list[ListedOrder]
    strategy: Name | None = None


class Replace(Command, tag="replace", kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The order is named as in `Cancel`; what is not given stays. `quantity` is the whole new quantity, filled part
    included. A pure decrease keeps the order's place in its queue; anything else loses it. `stop_price` moves a stop
    that has not been triggered."""

    symbol: Name | None = None
    order_id: OrderId | None = None
    client_order_id: ClientOrderId | None = None
    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None


class CancelAll(Command, tag="cancel_all", kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Cancels the account's working orders: all, those of one symbol, of one side, or of both."""

    symbol: Name | None = None
    side: str | None = None


OrderCommand = NewOrder | OrderList | Cancel | Replace | CancelAll


class Administrative(Struct, kw_only=True, frozen=True, omit_defaults=True, tag_field="type"):
    """A rare command that changes what the engine knows rather than an order. Journaled as JSON."""


class DefineInstrument(Administrative, tag="instrument", kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A tradable instrument. Prices are whole ticks within [`price_min`, `price_max`], at most 2^18 of them."""

    symbol: Name
    tick_size: Decimal
    lot_size: Decimal
    price_min: Decimal
    price_max: Decimal
    maker_fee_ppm: int = 0
    """Millionths of the notional; negative is a rebate."""
    taker_fee_ppm: int = 0
    currency: Name = "USD"
    description: str = ""
    calendar: str = ""
    """Whose trading hours and holidays it keeps (`XNYS`, …); empty: it trades around the clock."""


class DefineAccount(Administrative, tag="account", kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Opens an account. Asking again for one that exists changes nothing: `Limits` and `Deposit` do."""

    account: Name
    deposit: Decimal = Decimal(0)
    currency: Name = "USD"
    firm: Name | None = None
    """Accounts of one firm can be kept from trading with each other."""
    margin_multiple: Decimal = Decimal(0)
    """Buying power = multiple × equity at cost; 0: it is not checked."""
    self_trade_prevention: str = "none"
    """For orders that do not say (`words.SelfTrade`)."""
    self_trade_scope: str = "account"
    """`account` or `firm`."""
    cost_method: str = "average"
    """What the lots of a sale have cost in the books of account (`words.CostMethod`); it stays as it is."""


class Limits(Administrative, tag="limits", kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Sets an account's limits: for one symbol, or those of every symbol that has none of its own. What is not given
    stays; a number below 0 takes the limit away."""

    account: Name
    symbol: Name | None = None
    max_order_quantity: Decimal | None = None
    max_order_notional: Decimal | None = None
    max_open_orders: int | None = None
    max_long: Decimal | None = None
    """Largest long position, working buys included."""
    max_short: Decimal | None = None
    """Largest short position as a positive number, working sells included."""
    price_collar_ppm: int | None = None
    """How far from the last trade a price may be on the side that hurts, in millionths."""
    messages_per_second: int | None = None
    """Of the whole account (`symbol` must be left out, as for the fields below)."""
    message_burst: int | None = None
    margin_multiple: Decimal | None = None
    self_trade_prevention: str | None = None
    self_trade_scope: str | None = None


class Fees(Administrative, tag="fees", kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An account's own fees in millionths of the notional, instead of the instruments'; both null: the instruments'
    again. Orders keep the fees that were in force when they came in."""

    account: Name
    maker_fee_ppm: int | None = None
    taker_fee_ppm: int | None = None


class Halt(Administrative, tag="halt", kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Stops trading in a symbol: nothing new is taken, orders stay and can be canceled."""

    symbol: Name
    text: str = ""


class Resume(Administrative, tag="resume", kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Ends a halt: the phase that it interrupted goes on."""

    symbol: Name


class SetPhase(
    Administrative, tag="session", kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Begins a phase of a symbol's trading day (`words.Phase`, without `halted`)."""

    symbol: Name
    phase: str
    day_ends_ns: int = 0
    """When day orders expire; 0: as it was."""
    venue: Name | None = None
    """Only with `opening_auction`: the auction collects orders that are traded at this venue, `ioc` and `fok` too."""


class Timer(Administrative, tag="timer", kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Time has passed: by the stamp of this command, orders that are good till an earlier time expire."""


class Kill(Administrative, tag="kill", kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The kill switch of an account, or of all of them: cancels every working order and refuses new ones until it is
    switched off (`active` false)."""

    account: Name | None = None
    active: bool = True
    text: str = ""


class Deposit(Administrative, tag="deposit", kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Adds cash (a withdrawal is negative)."""

    account: Name
    amount: Decimal


class Split(Administrative, tag="split", kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A stock split: for `old_shares` held there are `new_shares` from now on (2 and 1: a two-for-one). Working orders
    in the symbol are canceled; what is less than a lot is paid in cash (docs/corporate-actions.md)."""

    symbol: Name
    new_shares: int
    old_shares: int = 1


class Dividend(Administrative, tag="dividend", kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A cash dividend for each unit of quantity, in the instrument's currency: long positions get it, short ones pay
    it."""

    symbol: Name
    amount: Decimal


class Print(Administrative, tag="print", kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A trade made elsewhere (a hidden execution of a replayed day), reported on the tape; no book is touched."""

    symbol: Name
    price: Decimal
    quantity: Decimal
    aggressor_side: str | None = None
    transact_ns: int = 0


class VenueFill(Administrative, tag="venue_fill", kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A fill that an order has had at a venue elsewhere, against the account that stands for the venue.

    `filled_quantity` is what the order has in all after it: one that was counted before changes nothing, and one before
    which another is missing is refused. An order that has ended takes it too."""

    order_id: OrderId
    venue: Name
    execution_id: ClientOrderId
    """The venue's own name of it."""
    quantity: Decimal
    price: Decimal
    filled_quantity: Decimal
    fee: Decimal = Decimal(0)
    """What the order's account pays besides; negative: it gets it."""
    transact_ns: int = 0


class VenueEnd(
    Administrative, tag="venue_end", kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True
):
    """An order works no more at a venue elsewhere, and so neither here, nor do the others of its list. One that has
    ended stays as it is."""

    order_id: OrderId
    outcome: str
    """`canceled` or `expired`."""
    reason: str | None = None
    """`words.Reason`."""
    field: str | None = None
    """Of the order, where that is why."""
    text: str = ""
    """The venue's own words."""
    transact_ns: int = 0


class Refused(Administrative, tag="refused", kw_only=True, frozen=True, omit_defaults=True):
    """A command that could be read but not be put into ticks and lots: sequenced, so that its sender gets a report."""

    account: str
    client_order_id: str
    symbol: str
    side: str
    reason: str
    field: str
    text: str
    request: dict[str, Any]
    """The command as it was sent."""


class Unreadable(Administrative, tag="unreadable", kw_only=True, frozen=True):
    """Bytes from the topic `orders` that are no command: sequenced, so that they land once in `dead-letters`."""

    topic: str
    partition: int
    offset: int
    reason: str
    field: str
    text: str
    key: str | None
    value: str
    """Base64, of at most the first 64 KiB."""


AdministrativeCommand = (
    DefineInstrument
    | DefineAccount
    | Deposit
    | Limits
    | Fees
    | Halt
    | Resume
    | SetPhase
    | Timer
    | Kill
    | Split
    | Dividend
    | Print
    | VenueFill
    | VenueEnd
    | Refused
    | Unreadable
)


class AdministrativeEntry(Struct, kw_only=True, frozen=True):
    """An administrative command in the journal; its seq stands in the frame."""

    ts_ns: int
    source: str
    actor: str
    command: AdministrativeCommand
    source_partition: int = -1
    source_offset: int = -1


class Record(Struct, kw_only=True, frozen=True, omit_defaults=False):
    """What all records of all topics carry. All fields are always written; those with a default may be missing in
    records of before there was such a field."""

    v: int = SCHEMA_VERSION


class SequencedCommand(Record, kw_only=True, frozen=True):
    """Topic `commands`: a command of any ingress as the engine sequenced it."""

    seq: int
    ts_ns: int
    source: str
    actor: str
    type: str
    command: dict[str, Any]
    source_partition: int | None = None
    source_offset: int | None = None
    epoch: int = 1
    """Of the engine that sequenced it: one that takes over begins a higher one."""
    record: str | None = None
    """Base64 of the binary record, where `command` cannot say all of it (a number that stands for nothing)."""


class OrderEvent(Record, kw_only=True, frozen=True):
    """Topic `order-events`: an execution report. While an order works, quantity = filled + leaves."""

    seq: int
    index: int
    ts_ns: int
    transact_ns: int
    exec_id: str
    exec_type: str
    order_status: str
    reason: str | None
    field: str | None
    text: str | None
    order_id: OrderId
    client_order_id: str
    orig_client_order_id: str | None = None
    """FIX 41: of the order that was canceled or replaced."""
    list_id: OrderId | None = None
    account: str
    symbol: str
    side: str | None
    order_type: str | None
    time_in_force: str | None
    expires_ns: int | None = None
    quantity: DecimalText
    display_quantity: DecimalText | None = None
    limit_price: DecimalText | None
    stop_price: DecimalText | None = None
    """As it stands now: a trailing stop's moves."""
    trail_amount: DecimalText | None = None
    trail_percent: DecimalText | None = None
    post_only: bool = False
    reduce_only: bool = False
    self_trade_prevention: str | None = None
    filled_quantity: DecimalText
    leaves_quantity: DecimalText
    average_price: DecimalText | None
    last_quantity: DecimalText | None
    last_price: DecimalText | None
    liquidity: str | None
    fee: DecimalText | None
    strategy: str | None
    source: str


class Order(Record, kw_only=True, frozen=True):
    """The latest state of one order: the fold of its execution reports (REST, SSE, Redis; table `orders`)."""

    order_id: OrderId
    client_order_id: str
    list_id: OrderId | None = None
    account: str
    symbol: str
    side: str | None
    order_type: str | None
    time_in_force: str | None
    expires_ns: int | None = None
    quantity: DecimalText
    display_quantity: DecimalText | None = None
    limit_price: DecimalText | None
    stop_price: DecimalText | None = None
    trail_amount: DecimalText | None = None
    trail_percent: DecimalText | None = None
    post_only: bool = False
    reduce_only: bool = False
    status: str
    filled_quantity: DecimalText
    leaves_quantity: DecimalText
    average_price: DecimalText | None
    reason: str | None
    field: str | None
    text: str | None
    strategy: str | None
    source: str
    created_ns: int
    updated_ns: int
    last_seq: int
    last_index: int


class Fill(Record, kw_only=True, frozen=True):
    """Topic `fills`: one side of a trade. `fee` is negative for a rebate."""

    fill_id: str
    trade_id: str
    seq: int
    index: int
    ts_ns: int
    transact_ns: int
    account: str
    symbol: str
    side: str
    quantity: DecimalText
    price: DecimalText
    fee: DecimalText
    liquidity: str
    order_id: OrderId
    client_order_id: str
    strategy: str | None
    action_seq: int = 0
    """Of the symbol's last corporate action before it, 0 = none: quantity and price are in the units of after it."""


class Trade(Record, kw_only=True, frozen=True):
    """Topic `trades`: the anonymous tape. `hidden` marks a print that did not go through the book."""

    trade_id: str
    seq: int
    index: int
    ts_ns: int
    transact_ns: int
    symbol: str
    price: DecimalText
    quantity: DecimalText
    aggressor_side: str | None
    hidden: bool = False
    action_seq: int = 0
    """As in `Fill`."""


class Book(Record, kw_only=True, frozen=True):
    """Topic `books`: the top levels, best first, as (price, quantity, number of orders), after command `seq`.

    In an auction `indicative_price` and `indicative_quantity` say what an uncross would trade now, null: nothing."""

    symbol: str
    seq: int
    ts_ns: int
    bids: list[tuple[DecimalText, DecimalText, int]]
    asks: list[tuple[DecimalText, DecimalText, int]]
    phase: str = "continuous"
    indicative_price: DecimalText | None = None
    indicative_quantity: DecimalText | None = None
    action_seq: int = 0
    """As in `Fill`."""


class StrategyPosition(Struct, kw_only=True, frozen=True):
    """A position as one strategy tag has traded it; what carries no tag is in none of them."""

    strategy: str
    quantity: DecimalText
    average_price: DecimalText | None
    cost: DecimalText
    realized_pnl: DecimalText
    fees: DecimalText
    bought_quantity: DecimalText
    sold_quantity: DecimalText


class Position(Record, kw_only=True, frozen=True):
    """Topic `positions`: an account's position in one symbol after the fill (`last_seq`, `last_index`), or after the
    corporate action `last_seq` (`last_index` 0); `last_price` is then the symbol's after it.

    `quantity` is signed. `average_price` is null when flat. `realized_pnl` does not hold the fees. `strategies` are
    those whose own position this record changes."""

    account: str
    symbol: str
    quantity: DecimalText
    average_price: DecimalText | None
    cost: DecimalText
    realized_pnl: DecimalText
    fees: DecimalText
    bought_quantity: DecimalText
    sold_quantity: DecimalText
    last_price: DecimalText
    last_seq: int
    last_index: int
    ts_ns: int
    strategies: list[StrategyPosition] = []
    action_seq: int = 0
    """As in `Fill`."""


class Mark(Struct, kw_only=True, frozen=True):
    """The price that a position was valued at: `source` is `mid`, `last`, `closing` or `adjusted`, `seq` that of the
    book, trade, close or corporate action, and `position_seq`, `position_index` name the fill or action up to which the
    position was counted."""

    price: DecimalText
    source: str
    seq: int
    position_seq: int
    position_index: int
    quantity: DecimalText
    unrealized_pnl: DecimalText


class CurrencyPnl(Struct, kw_only=True, frozen=True):
    """What an account has earned in instruments of another currency than its own, in that currency. It is converted at
    `price` of the instrument `symbol`, whose name is both currencies (EURUSD: dollars for a euro); all null where no
    such price is known, and then it is in none of the account's sums."""

    realized_pnl: DecimalText
    unrealized_pnl: DecimalText
    fees: DecimalText
    gross_exposure: DecimalText
    net_exposure: DecimalText
    symbol: str | None
    price: DecimalText | None
    source: str | None
    seq: int | None


class StrategyPnl(Struct, kw_only=True, frozen=True):
    """What one strategy tag of an account has earned, at the account's marks. `profit` = realized + unrealized −
    fees; a strategy has no deposits, so its drawdown is from `peak_profit`."""

    realized_pnl: DecimalText
    unrealized_pnl: DecimalText
    fees: DecimalText
    profit: DecimalText
    peak_profit: DecimalText
    drawdown: DecimalText
    gross_exposure: DecimalText
    net_exposure: DecimalText


class Pnl(Record, kw_only=True, frozen=True):
    """Topic `pnl`: an account marked to the market, in its own currency. `equity` = deposits + realized + unrealized −
    fees."""

    account: str
    currency: str
    deposits: DecimalText
    realized_pnl: DecimalText
    unrealized_pnl: DecimalText
    fees: DecimalText
    equity: DecimalText
    peak_equity: DecimalText
    drawdown: DecimalText
    gross_exposure: DecimalText
    net_exposure: DecimalText
    marks: dict[str, Mark]
    last_seq: int
    ts_ns: int
    strategies: dict[str, StrategyPnl] = {}
    currencies: dict[str, CurrencyPnl] = {}
    """The others that the account has traded in."""


class Candle(Record, kw_only=True, frozen=True):
    """Topic `candles`: the trades of a symbol in one interval by event time, which begins at `start_ns`. `turnover` is
    price × quantity, `vwap` = turnover / volume. Open (`closed` false) it is shown as it stands after the trade
    (`last_seq`, `last_index`), sequenced at `ts_ns`; closed, no later trade changes it."""

    symbol: str
    interval_s: int
    start_ns: int
    open: DecimalText
    high: DecimalText
    low: DecimalText
    close: DecimalText
    volume: DecimalText
    turnover: DecimalText
    vwap: DecimalText
    trades: int
    closed: bool
    last_seq: int
    last_index: int
    ts_ns: int


class OrderFlow(Record, kw_only=True, frozen=True):
    """Topic `order-flow`: a symbol's last `window_s` seconds up to the report (`last_seq`, `last_index`), and its best
    prices by the book of `book_seq`. Ratios are in 1 (−1 to 1, or 0 to 1), null where there is nothing to divide by."""

    symbol: str
    window_s: int
    spread: DecimalText | None
    mid: DecimalText | None
    imbalance: DecimalText | None
    """Of the quantities at the best prices: (bid − ask) / (bid + ask)."""
    book_seq: int | None
    orders: int
    rejected: int
    canceled: int
    trades: int
    volume: DecimalText
    buy_volume: DecimalText
    """By the side of the taker."""
    sell_volume: DecimalText
    vwap: DecimalText | None
    trade_imbalance: DecimalText | None
    """(buy_volume − sell_volume) / volume."""
    realized_volatility: DecimalText
    """The square root of the sum of the squared returns from trade to trade; of the window, not of a year."""
    fill_ratio: DecimalText | None
    """Of the quantity whose wait has ended, the part that was filled: filled / (filled + canceled or expired)."""
    last_seq: int
    last_index: int
    ts_ns: int


class Alert(Record, kw_only=True, frozen=True):
    """Topic `alerts`: something begins (`raised`), or ends, to be worth telling. `used` is the share of a limit, of the
    peak equity (drawdown) or of the silence that is borne (feed_stale), in 1; `threshold` is where it is told, null
    where what it was about is gone. `account` is null where it is about a symbol's feed."""

    account: str | None
    kind: str
    symbol: str | None
    limit_name: str | None
    """`max_long`, `max_short` or `margin_multiple`."""
    raised: bool
    used: DecimalText
    threshold: DecimalText | None
    text: str
    last_seq: int
    ts_ns: int


class Instrument(Record, kw_only=True, frozen=True):
    """Topic `instruments` (compact): reference data, as the engine holds it."""

    symbol: str
    instrument_id: int
    tick_size: DecimalText
    lot_size: DecimalText
    price_min: DecimalText
    price_max: DecimalText
    maker_fee_ppm: int
    taker_fee_ppm: int
    currency: str
    description: str
    calendar: str = ""
    phase: str = "continuous"
    """When this record was written; `books` follows each change."""
    action_seq: int = 0
    """Of the last corporate action, 0 = none."""
    closing_price: DecimalText | None = None
    """Of the last trade before the market closed last."""
    closing_seq: int = 0
    """Of the command that closed it."""
    seq: int
    ts_ns: int


class CorporateAction(Record, kw_only=True, frozen=True):
    """Topic `corporate-actions`: a split or a cash dividend, as the engine carried it out after command `seq` − 1.

    `price_before` and `price_after` are the symbol's last price, null where it has never traded. `bought_quantity` and
    `sold_quantity` are what all accounts together had traded of it: who has counted as much has every fill of before.
    `rest_quantity` and `rest_cash` are what fractions, paid in cash, have left with no account."""

    seq: int
    ts_ns: int
    symbol: str
    action: str
    new_shares: int | None
    old_shares: int | None
    amount: DecimalText | None
    price_before: DecimalText | None
    price_after: DecimalText | None
    bought_quantity: DecimalText
    sold_quantity: DecimalText
    rest_quantity: DecimalText
    rest_cash: DecimalText


class SymbolLimits(Struct, kw_only=True, frozen=True):
    """An account's limits in one symbol, or in every other one (`symbol` null); null: no limit."""

    symbol: str | None
    max_order_quantity: DecimalText | None
    max_order_notional: DecimalText | None
    max_open_orders: int | None
    max_long: DecimalText | None
    max_short: DecimalText | None
    price_collar_ppm: int | None


class Account(Record, kw_only=True, frozen=True):
    """Topic `accounts` (compact): an account, all that was ever paid into it, and what it may do."""

    account: str
    account_id: int
    currency: str
    deposits: DecimalText
    firm: str | None = None
    margin_multiple: DecimalText | None = None
    """null: buying power is not checked."""
    self_trade_prevention: str = "none"
    self_trade_scope: str = "account"
    messages_per_second: int | None = None
    message_burst: int | None = None
    maker_fee_ppm: int | None = None
    taker_fee_ppm: int | None = None
    killed: bool = False
    limits: list[SymbolLimits] = []
    cost_method: str = "average"
    seq: int
    ts_ns: int


class LedgerState(Record, kw_only=True, frozen=True):
    """Topic `ledger-state` (compact): an agent's own state for one key, and how far it had read."""

    agent: str
    partition: int
    key: str
    next_offset: int
    state: dict[str, Any]


class TopicVersion(Record, kw_only=True, frozen=True):
    """Topic `topic-versions` (compact): from where on a topic holds its present version; what stands before that
    was made anew (`hft rebuild`). Without a record, a topic's first version begins with its first record."""

    topic: str
    version: int
    begins: list[int]
    """The offset of the version's first record in each partition."""
    after: dict[str, list[int]]
    """Topics that are made from this one → the offsets they had reached when the version began: what is before them was
    made from another version."""
    stopping: bool
    """The workers that write the topic are asked to end, since the next version is about to begin."""
    ts_ns: int


class StateHash(Record, kw_only=True, frozen=True):
    """Topic `state-hashes`: what a topic, or the engine, stood at (docs/replay.md).

    `kind` is `records`: `hashes` has the hash over all records of each partition before its offset in `offsets`. Or it
    is `engine`: the one hash is that of the engine's state after command `seq`, the last one before the offset."""

    topic: str
    kind: str
    offsets: list[int]
    hashes: list[str]
    seq: int | None = None
    max_orders: int | None = None
    """Room for working orders in the engine: which orders find room is part of what happened."""
    drift: int | None = None
    """Of the engine: the largest breach, in lots or money units, of what must hold of positions, cash and reservations
    (docs/risk.md): 0."""
    ts_ns: int
    """Of the last record or command that is in it."""


class Signal(Record, kw_only=True, frozen=True):
    """Topic `signals`: the numbers that a strategy computed from a bar (docs/signals.md)."""

    run: str
    symbol: str
    ts_ns: int
    """End of the bar."""
    values: dict[str, float]


class StrategyEvent(Record, kw_only=True, frozen=True):
    """Topic `strategy-events`: what a running strategy was given, in this order, written before it saw it.

    `number` 0 is the start of the run, whose event says strategy, account and parameters (docs/strategies.md)."""

    run: str
    number: int
    ts_ns: int
    event: dict[str, Any]


class StrategyState(Record, kw_only=True, frozen=True):
    """Topic `strategy-state` (compact): a running strategy after event `number`, and where it reads on from."""

    run: str
    number: int
    cursor: dict[str, int]
    """Next offset by `topic/partition`."""
    state: dict[str, Any]


class DeadLetter(Record, kw_only=True, frozen=True):
    """Topic `dead-letters`: bytes that could not be read (base64, at most the first 64 KiB), where from, and why."""

    topic: str
    partition: int
    offset: int
    ts_ns: int
    reason: str
    field: str | None
    text: str
    key: str | None
    value: str


class AuditLink(Record, kw_only=True, frozen=True):
    """Topic `audit`: one request or operator's command that changed something, or was refused to. Each writer's links
    form a chain (`streams.audit_chain`): `number` counts from 1, `previous` is the hash of the link before."""

    writer: str
    number: int
    ts_ns: int
    actor: str
    """The user, or the name that a login gave; empty: nobody was named. Of `cli`, the machine's user."""
    session: str
    """The login or API key."""
    address: str
    """Of `cli`, the machine's name."""
    source: str
    """`rest`, `websocket` or `cli`."""
    action: str
    """Method and route, the command's type, or the operator's command."""
    target: str
    """The path, or what the operator's command was given."""
    status: int
    """Of the answer, as in HTTP."""
    reason: str | None
    seq: int | None
    """Of the command in `commands` that it became."""
    content: str
    """SHA-256 of the body; of `cli`, of all of `target`, which is cut at 200 characters."""
    previous: str
    hash: str


class Reply(Struct, kw_only=True, frozen=True):
    """The engine's answer to one command. `seq` is 0 where it was refused before it was sequenced; `field` and `text`
    say what was wrong with it."""

    outcome: str
    seq: int
    durability: str | None = None
    order_id: OrderId | None = None
    client_order_id: str | None = None
    order_status: str | None = None
    quantity: DecimalText | None = None
    filled_quantity: DecimalText | None = None
    leaves_quantity: DecimalText | None = None
    average_price: DecimalText | None = None
    affected: int | None = None
    reason: str | None = None
    field: str | None = None
    text: str | None = None
    orders: list[Reply] | None = None
    """Of an order list: each leg's own reply. It is taken whole or refused whole."""


class Session(Struct, kw_only=True, frozen=True):
    """What a login to the engine answers: who the session is, and the numbers that binary records name things by."""

    actor: str
    role: str
    accounts: list[str]
    account_ids: dict[str, int]
    instruments: list[Instrument]
    epoch: int
    last_seq: int


class Preview(Struct, kw_only=True, frozen=True):
    """What an order would do if it came in now (`engine.preview`); nothing of it is sequenced.

    `accepted` false: it would be refused, for `reason`. Money is in the account's currency."""

    account: str
    symbol: str
    accepted: bool
    reason: str | None
    field: str | None
    text: str | None
    risk_price: DecimalText | None
    """What a lot is reckoned at (docs/risk.md)."""
    notional: DecimalText
    """Quantity × risk price."""
    fee: DecimalText
    """Of the whole order at the risk price and the higher of maker and taker fee."""
    opening_quantity: DecimalText
    """What could open a position, rather than close one."""
    reservation: DecimalText
    buying_power: DecimalText | None
    """Left now; null: it is not checked."""
    buying_power_after: DecimalText | None
    """While the order works."""
    position: DecimalText
    position_after: DecimalText
    """Once all of it has been filled."""
    open_buys: DecimalText
    """Working lots of the account, without this order."""
    open_sells: DecimalText
    fills_now: DecimalText
    """What would trade at once against the shown book, an estimate, with its average price, money and taker fee."""
    fills_now_price: DecimalText | None
    fills_now_notional: DecimalText
    fills_now_fee: DecimalText
    seq: int
    """The last command that this takes into account."""
    ts_ns: int


class OrderState(Struct, kw_only=True, frozen=True):
    """The engine's answer to `status`: what became of an order."""

    account: str
    client_order_id: str
    order_id: OrderId
    list_id: OrderId | None = None
    """While the order works."""
    order_status: str
    symbol: str | None = None
    side: str | None = None
    quantity: DecimalText | None = None
    filled_quantity: DecimalText | None = None
    leaves_quantity: DecimalText | None = None
    limit_price: DecimalText | None = None
    stop_price: DecimalText | None = None
    reason: str | None = None


def as_json(message: Any) -> bytes:
    """The JSON bytes of a message."""
    return msgspec.json.encode(message)
