"""The words of the wire: every enum, and every reason why something was refused.

A member in lower case is the word on the wire (`Side.BUY` is `"buy"`), its number the byte in a binary record."""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Final, NamedTuple


class Word(IntEnum):
    """An enum whose member is a byte in records and its lower-case name on the wire."""

    @property
    def wire(self) -> str:
        return self.name.lower()

    @classmethod
    def words(cls) -> dict[str, int]:
        """Wire word → number."""
        return {member.name.lower(): int(member) for member in cls}


class Side(Word):
    BUY = 1
    SELL = 2


class OrderType(Word):
    MARKET = 1
    LIMIT = 2
    STOP = 3
    STOP_LIMIT = 4
    TRAILING_STOP = 5


class TimeInForce(Word):
    DAY = 1
    GTC = 2
    GTD = 3
    IOC = 4
    FOK = 5
    OPG = 6
    CLS = 7


class OrderStatus(Word):
    PENDING_NEW = 1
    NEW = 2
    PARTIALLY_FILLED = 3
    FILLED = 4
    CANCELED = 5
    REJECTED = 6
    EXPIRED = 7


WORKING: Final = frozenset({OrderStatus.PENDING_NEW, OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED})
WORKING_WORDS: Final = frozenset(status.wire for status in WORKING)


class ExecType(Word):
    """FIX tag 150. `PRINT` is not an order's: it is a trade reported to the tape without an order of this book."""

    NEW = 1
    TRADE = 2
    CANCELED = 3
    REPLACED = 4
    REJECTED = 5
    EXPIRED = 6
    TRIGGERED = 7
    RESTATED = 8
    PRINT = 9


class Liquidity(Word):
    NONE = 0
    MAKER = 1
    TAKER = 2


class SelfTrade(Word):
    """Self-trade prevention: what happens when an order meets one of its own account (or firm). In a record 0 stands
    for the account's own rule."""

    NONE = 1
    CANCEL_NEWEST = 2
    CANCEL_OLDEST = 3
    CANCEL_BOTH = 4
    DECREMENT = 5


class SelfTradeScope(Word):
    """Whose orders count as one's own."""

    ACCOUNT = 1
    FIRM = 2


class AlertKind(Word):
    """What an alert is about."""

    LIMIT = 1
    DRAWDOWN = 2
    FEED_STALE = 3


class CostMethod(Word):
    """What the lots of a sale have cost: the average of those held, or the price of the oldest ones."""

    AVERAGE = 1
    FIFO = 2


class Action(Word):
    """A corporate action."""

    SPLIT = 1
    DIVIDEND = 2


class MarkSource(Word):
    """What a position is valued at: the middle of the book, the last trade, the last trade before the market closed,
    or, until there is one of these after a corporate action, the last price as the action left it."""

    MID = 1
    LAST = 2
    CLOSING = 3
    ADJUSTED = 4


class ListType(Word):
    """Orders that belong together (docs/orders.md). The legs are consecutive records that carry this in their flags."""

    OCO = 1
    OTO = 2
    BRACKET = 3


LIST_SIZES: Final = {ListType.OCO: 2, ListType.OTO: 2, ListType.BRACKET: 3}


class Phase(Word):
    """Of an instrument's trading day."""

    CLOSED = 1
    OPENING_AUCTION = 2
    CONTINUOUS = 3
    CLOSING_AUCTION = 4
    HALTED = 5


class Flag(IntFlag):
    """The bits of a record's `flags`; bits 4 and 5 hold a leg's `ListType`."""

    POST_ONLY = 1
    REDUCE_ONLY = 2
    TRAIL_PERCENT = 4  # `trail` is in millionths of the price, not in ticks
    DISCONNECTED = 8  # only on a cancel_all, and set by the engine alone: the session that asked for it has ended


LIST_SHIFT: Final = 4


class CommandType(Word):
    """The first four travel as binary records; the others are rare and travel as JSON (`Administrative`)."""

    NEW = 1
    CANCEL = 2
    REPLACE = 3
    CANCEL_ALL = 4
    INSTRUMENT = 16
    ACCOUNT = 17
    DEPOSIT = 18
    PRINT = 19
    REFUSED = 20
    UNREADABLE = 21
    HALT = 22
    RESUME = 23
    SESSION = 24
    TIMER = 25
    LIMITS = 26
    FEES = 27
    KILL = 28
    SPLIT = 29
    DIVIDEND = 30


class Source(Word):
    """Which door a command came in by."""

    ZEROMQ = 1
    KAFKA = 2
    REST = 3
    WEBSOCKET = 4
    SYSTEM = 5


class Durability(Word):
    """What a reply stands for: in the journal file, flushed to the disk, or acknowledged by Kafka."""

    JOURNALED = 1
    SYNCED = 2
    COMMITTED = 3


class Outcome(Word):
    """`DUPLICATE` is a repeat with the same content: the first outcome stands and is given again."""

    ACCEPTED = 1
    REJECTED = 2
    DUPLICATE = 3


class Reason(Word):
    """Why a command was refused or an order ended. FIX numbers and texts are in `REASONS`."""

    NONE = 0
    MALFORMED = 1
    MISSING_FIELD = 2
    INVALID_FIELD = 3
    UNKNOWN_SYMBOL = 4
    UNKNOWN_ACCOUNT = 5
    UNKNOWN_ORDER = 6
    NOT_AUTHORIZED = 7
    UNSUPPORTED = 8
    INVALID_QUANTITY = 9
    QUANTITY_INCREMENT = 10
    INVALID_PRICE = 11
    PRICE_INCREMENT = 12
    PRICE_BAND = 13
    DUPLICATE_CLIENT_ORDER_ID = 14
    TOO_LATE = 15
    CAPACITY = 16
    NO_LIQUIDITY = 17
    BUSY = 18
    MARKET_CLOSED = 19
    HALTED = 20
    TRADING_PHASE = 21
    POST_ONLY = 22
    REDUCE_ONLY = 23
    SELF_TRADE = 24
    MAX_ORDER_QUANTITY = 25
    MAX_ORDER_NOTIONAL = 26
    MAX_OPEN_ORDERS = 27
    POSITION_LIMIT = 28
    BUYING_POWER = 29
    PRICE_COLLAR = 30
    RATE_LIMIT = 31
    KILL_SWITCH = 32
    NO_REFERENCE_PRICE = 33
    INVALID_LIST = 34
    LINKED_ORDER = 35
    DAY_ENDED = 36
    DISCONNECTED = 37
    CORPORATE_ACTION = 38


class ReasonText(NamedTuple):
    """`fix_tag` is 103 (OrdRejReason), 102 (CxlRejReason) or 58 (a text only)."""

    fix_tag: int
    fix_number: int
    http_status: int
    text: str


REASONS: Final[dict[Reason, ReasonText]] = {
    Reason.MALFORMED: ReasonText(103, 99, 400, "the message cannot be read"),
    Reason.MISSING_FIELD: ReasonText(103, 99, 422, "a required field is missing"),
    Reason.INVALID_FIELD: ReasonText(103, 99, 422, "the field has a value that it cannot have"),
    Reason.UNKNOWN_SYMBOL: ReasonText(103, 1, 422, "no instrument has this symbol"),
    Reason.UNKNOWN_ACCOUNT: ReasonText(103, 15, 422, "no account has this name"),
    Reason.UNKNOWN_ORDER: ReasonText(102, 1, 404, "no order of this account has this id"),
    Reason.NOT_AUTHORIZED: ReasonText(103, 15, 403, "the session may not act for this account"),
    Reason.UNSUPPORTED: ReasonText(103, 11, 422, "the engine does not take this yet"),
    Reason.INVALID_QUANTITY: ReasonText(
        103, 13, 422, "the quantity must be positive and within the instrument's limit"
    ),
    Reason.QUANTITY_INCREMENT: ReasonText(103, 13, 422, "the quantity must be a multiple of the instrument's lot size"),
    Reason.INVALID_PRICE: ReasonText(103, 99, 422, "the price must be positive"),
    Reason.PRICE_INCREMENT: ReasonText(103, 18, 422, "the price must be a multiple of the instrument's tick size"),
    Reason.PRICE_BAND: ReasonText(103, 16, 422, "the price lies outside the instrument's price band"),
    Reason.DUPLICATE_CLIENT_ORDER_ID: ReasonText(
        103, 6, 409, "this client_order_id was used by the account for another order"
    ),
    Reason.TOO_LATE: ReasonText(102, 0, 422, "the order is no longer working"),
    Reason.CAPACITY: ReasonText(103, 99, 503, "the engine holds as many orders as it was given room for"),
    Reason.NO_LIQUIDITY: ReasonText(58, 0, 200, "nothing was left to trade against, and the order does not rest"),
    Reason.BUSY: ReasonText(103, 99, 503, "the engine takes no new orders at the moment"),
    Reason.MARKET_CLOSED: ReasonText(103, 2, 422, "the instrument's market is closed"),
    Reason.HALTED: ReasonText(103, 2, 422, "trading in the instrument is halted"),
    Reason.TRADING_PHASE: ReasonText(103, 11, 422, "the instrument's trading phase does not take such an order"),
    Reason.POST_ONLY: ReasonText(103, 99, 422, "a post-only order may not trade at its entry"),
    Reason.REDUCE_ONLY: ReasonText(103, 99, 422, "a reduce-only order may only make the position smaller"),
    Reason.SELF_TRADE: ReasonText(103, 99, 422, "the order would trade with one of the same owner"),
    Reason.MAX_ORDER_QUANTITY: ReasonText(103, 3, 422, "more than the account's largest order quantity"),
    Reason.MAX_ORDER_NOTIONAL: ReasonText(103, 3, 422, "more than the account's largest order notional"),
    Reason.MAX_OPEN_ORDERS: ReasonText(103, 3, 422, "the account has as many open orders as it may have"),
    Reason.POSITION_LIMIT: ReasonText(103, 3, 422, "the position could pass the account's limit"),
    Reason.BUYING_POWER: ReasonText(103, 3, 403, "the account's buying power does not cover the order"),
    Reason.PRICE_COLLAR: ReasonText(103, 16, 422, "the price is too far from the last trade"),
    Reason.RATE_LIMIT: ReasonText(103, 99, 429, "the account sends more messages than it may"),
    Reason.KILL_SWITCH: ReasonText(103, 99, 403, "the account's kill switch is on"),
    Reason.NO_REFERENCE_PRICE: ReasonText(103, 99, 422, "there is no last trade to trail"),
    Reason.INVALID_LIST: ReasonText(103, 99, 422, "the orders do not make such a list"),
    Reason.LINKED_ORDER: ReasonText(58, 0, 200, "the order that it was linked to ended"),
    Reason.DAY_ENDED: ReasonText(58, 0, 200, "the time that it was good for is over"),
    Reason.DISCONNECTED: ReasonText(58, 0, 200, "the session that asked for cancel-on-disconnect ended"),
    Reason.CORPORATE_ACTION: ReasonText(58, 0, 200, "the instrument was split: the order was in the old units"),
}


class FrameKind(Word):
    COMMANDS = 1
    REPLIES = 2
    REPORTS = 3
    TRADES = 4
    BOOK = 5
    HEARTBEAT = 6
