"""The vocabulary's numbers as plain integers, which compiled code reads as constants, and where the words of records
stand."""

from __future__ import annotations

from typing import Final

from engine.layout import COMMAND, FIELDS, REPORT
from engine.words import (
    LIST_SHIFT,
    CommandType,
    ExecType,
    Flag,
    Liquidity,
    ListType,
    OrderStatus,
    OrderType,
    Outcome,
    Phase,
    Reason,
    SelfTrade,
    SelfTradeScope,
    Side,
    TimeInForce,
)

COMMAND_STRATEGY: Final = COMMAND.fields["strategy"][1] // 8  # type: ignore[index]
COMMAND_ID: Final = COMMAND.fields["client_order_id"][1] // 8  # type: ignore[index]
REPORT_WORDS: Final = REPORT.itemsize // 8
REPORT_STRATEGY: Final = REPORT.fields["strategy"][1] // 8  # type: ignore[index]

NEW, CANCEL, REPLACE, CANCEL_ALL = (int(t) for t in list(CommandType)[:4])
RESUME, SET_PHASE, TIMER = int(CommandType.RESUME), int(CommandType.SESSION), int(CommandType.TIMER)
HALT, KILL, SPLIT = int(CommandType.HALT), int(CommandType.KILL), int(CommandType.SPLIT)

MARKET, LIMIT, STOP = int(OrderType.MARKET), int(OrderType.LIMIT), int(OrderType.STOP)
STOP_LIMIT, TRAILING_STOP = int(OrderType.STOP_LIMIT), int(OrderType.TRAILING_STOP)
LAST_TYPE = int(max(OrderType))
DAY, GTC, GTD = int(TimeInForce.DAY), int(TimeInForce.GTC), int(TimeInForce.GTD)
IOC, FOK = int(TimeInForce.IOC), int(TimeInForce.FOK)
OPG, CLS, LAST_TIME = int(TimeInForce.OPG), int(TimeInForce.CLS), int(max(TimeInForce))
BUY, SELL = int(Side.BUY), int(Side.SELL)

CLOSED, OPENING_AUCTION = int(Phase.CLOSED), int(Phase.OPENING_AUCTION)
CONTINUOUS, CLOSING_AUCTION = int(Phase.CONTINUOUS), int(Phase.CLOSING_AUCTION)
HALTED = int(Phase.HALTED)

FLAG_POST_ONLY, FLAG_REDUCE_ONLY = int(Flag.POST_ONLY), int(Flag.REDUCE_ONLY)
FLAG_TRAIL_PERCENT, FLAG_DISCONNECTED = int(Flag.TRAIL_PERCENT), int(Flag.DISCONNECTED)
FLAG_LIST: Final = 3 << LIST_SHIFT
FLAGS_TAKEN: Final = FLAG_POST_ONLY | FLAG_REDUCE_ONLY | FLAG_TRAIL_PERCENT | FLAG_LIST
OCO, OTO, BRACKET = int(ListType.OCO), int(ListType.OTO), int(ListType.BRACKET)

NO_PREVENTION, CANCEL_NEWEST = int(SelfTrade.NONE), int(SelfTrade.CANCEL_NEWEST)
CANCEL_OLDEST, CANCEL_BOTH = int(SelfTrade.CANCEL_OLDEST), int(SelfTrade.CANCEL_BOTH)
DECREMENT, LAST_PREVENTION = int(SelfTrade.DECREMENT), int(max(SelfTrade))
SCOPE_FIRM = int(SelfTradeScope.FIRM)

EXEC_NEW, EXEC_TRADE, EXEC_CANCELED = int(ExecType.NEW), int(ExecType.TRADE), int(ExecType.CANCELED)
EXEC_REPLACED, EXEC_REJECTED = int(ExecType.REPLACED), int(ExecType.REJECTED)
EXEC_EXPIRED, EXEC_TRIGGERED = int(ExecType.EXPIRED), int(ExecType.TRIGGERED)
EXEC_RESTATED = int(ExecType.RESTATED)
STATUS_PENDING, STATUS_NEW = int(OrderStatus.PENDING_NEW), int(OrderStatus.NEW)
STATUS_PARTIAL, STATUS_FILLED = int(OrderStatus.PARTIALLY_FILLED), int(OrderStatus.FILLED)
STATUS_CANCELED, STATUS_REJECTED = int(OrderStatus.CANCELED), int(OrderStatus.REJECTED)
STATUS_EXPIRED = int(OrderStatus.EXPIRED)
MAKER, TAKER = int(Liquidity.MAKER), int(Liquidity.TAKER)
ACCEPTED, REJECTED, DUPLICATE = int(Outcome.ACCEPTED), int(Outcome.REJECTED), int(Outcome.DUPLICATE)

NONE = int(Reason.NONE)
MISSING_FIELD, INVALID_FIELD = int(Reason.MISSING_FIELD), int(Reason.INVALID_FIELD)
UNKNOWN_SYMBOL, UNKNOWN_ACCOUNT = int(Reason.UNKNOWN_SYMBOL), int(Reason.UNKNOWN_ACCOUNT)
UNKNOWN_ORDER = int(Reason.UNKNOWN_ORDER)
INVALID_QUANTITY, INVALID_PRICE = int(Reason.INVALID_QUANTITY), int(Reason.INVALID_PRICE)
PRICE_BAND, REUSED_ID = int(Reason.PRICE_BAND), int(Reason.DUPLICATE_CLIENT_ORDER_ID)
TOO_LATE, CAPACITY, NO_LIQUIDITY = int(Reason.TOO_LATE), int(Reason.CAPACITY), int(Reason.NO_LIQUIDITY)
MARKET_CLOSED, MARKET_HALTED = int(Reason.MARKET_CLOSED), int(Reason.HALTED)
TRADING_PHASE, POST_ONLY = int(Reason.TRADING_PHASE), int(Reason.POST_ONLY)
REDUCE_ONLY, SELF_TRADE = int(Reason.REDUCE_ONLY), int(Reason.SELF_TRADE)
MAX_ORDER_QUANTITY, MAX_ORDER_NOTIONAL = int(Reason.MAX_ORDER_QUANTITY), int(Reason.MAX_ORDER_NOTIONAL)
MAX_OPEN_ORDERS, POSITION_LIMIT = int(Reason.MAX_OPEN_ORDERS), int(Reason.POSITION_LIMIT)
BUYING_POWER, PRICE_COLLAR = int(Reason.BUYING_POWER), int(Reason.PRICE_COLLAR)
RATE_LIMIT, KILL_SWITCH = int(Reason.RATE_LIMIT), int(Reason.KILL_SWITCH)
NO_REFERENCE_PRICE, INVALID_LIST = int(Reason.NO_REFERENCE_PRICE), int(Reason.INVALID_LIST)
LINKED_ORDER, DAY_ENDED = int(Reason.LINKED_ORDER), int(Reason.DAY_ENDED)
DISCONNECTED, CORPORATE_ACTION = int(Reason.DISCONNECTED), int(Reason.CORPORATE_ACTION)

F_ORDER_ID, F_QUANTITY, F_LIMIT_PRICE = (FIELDS.index(n) for n in ("order_id", "quantity", "limit_price"))
F_STOP_PRICE, F_TRAIL, F_DISPLAY = (FIELDS.index(n) for n in ("stop_price", "trail", "display_quantity"))
F_EXPIRES, F_ACCOUNT, F_SYMBOL = (FIELDS.index(n) for n in ("expires_ns", "account", "symbol"))
F_TYPE, F_SIDE, F_ORDER_TYPE = (FIELDS.index(n) for n in ("type", "side", "order_type"))
F_TIME, F_FLAGS = FIELDS.index("time_in_force"), FIELDS.index("flags")
F_SELF_TRADE, F_CLIENT_ID = FIELDS.index("self_trade_prevention"), FIELDS.index("client_order_id")
F_POST_ONLY, F_REDUCE_ONLY = FIELDS.index("post_only"), FIELDS.index("reduce_only")

REFUSAL: Final = 8
"""A refusal is one number: reason + REFUSAL bits of shift × field; 0 is none."""
MILLION: Final = 1_000_000
BILLION: Final = 1_000_000_000
NEVER: Final = (1 << 63) - 1
