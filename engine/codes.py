"""The vocabulary's numbers as plain integers, which compiled code reads as constants, and where the words of records
stand."""

from __future__ import annotations

from typing import Final

from engine.layout import COMMAND, FIELDS, REPORT
from engine.words import CommandType, ExecType, Liquidity, OrderStatus, OrderType, Outcome, Reason, Side, TimeInForce

COMMAND_WORDS: Final = COMMAND.itemsize // 8
COMMAND_STRATEGY: Final = COMMAND.fields["strategy"][1] // 8  # type: ignore[index]
COMMAND_ID: Final = COMMAND.fields["client_order_id"][1] // 8  # type: ignore[index]
REPORT_WORDS: Final = REPORT.itemsize // 8
REPORT_STRATEGY: Final = REPORT.fields["strategy"][1] // 8  # type: ignore[index]

NEW, CANCEL, REPLACE, CANCEL_ALL = (int(t) for t in list(CommandType)[:4])
MARKET, LIMIT, LAST_TYPE = int(OrderType.MARKET), int(OrderType.LIMIT), int(max(OrderType))
DAY, GTC, IOC, LAST_TIME = (
    int(TimeInForce.DAY),
    int(TimeInForce.GTC),
    int(TimeInForce.IOC),
    int(max(TimeInForce)),
)
BUY, SELL = int(Side.BUY), int(Side.SELL)

EXEC_NEW, EXEC_TRADE, EXEC_CANCELED = int(ExecType.NEW), int(ExecType.TRADE), int(ExecType.CANCELED)
EXEC_REPLACED, EXEC_REJECTED = int(ExecType.REPLACED), int(ExecType.REJECTED)
STATUS_NEW, STATUS_PARTIAL = int(OrderStatus.NEW), int(OrderStatus.PARTIALLY_FILLED)
STATUS_FILLED, STATUS_CANCELED = int(OrderStatus.FILLED), int(OrderStatus.CANCELED)
STATUS_REJECTED = int(OrderStatus.REJECTED)
MAKER, TAKER = int(Liquidity.MAKER), int(Liquidity.TAKER)
ACCEPTED, REJECTED, DUPLICATE = int(Outcome.ACCEPTED), int(Outcome.REJECTED), int(Outcome.DUPLICATE)

NONE = int(Reason.NONE)
MISSING_FIELD, INVALID_FIELD = int(Reason.MISSING_FIELD), int(Reason.INVALID_FIELD)
UNKNOWN_SYMBOL, UNKNOWN_ACCOUNT = int(Reason.UNKNOWN_SYMBOL), int(Reason.UNKNOWN_ACCOUNT)
UNKNOWN_ORDER, UNSUPPORTED = int(Reason.UNKNOWN_ORDER), int(Reason.UNSUPPORTED)
INVALID_QUANTITY, INVALID_PRICE = int(Reason.INVALID_QUANTITY), int(Reason.INVALID_PRICE)
PRICE_BAND, REUSED_ID = int(Reason.PRICE_BAND), int(Reason.DUPLICATE_CLIENT_ORDER_ID)
TOO_LATE, CAPACITY, NO_LIQUIDITY = int(Reason.TOO_LATE), int(Reason.CAPACITY), int(Reason.NO_LIQUIDITY)

F_ORDER_ID, F_QUANTITY, F_LIMIT_PRICE = (FIELDS.index(n) for n in ("order_id", "quantity", "limit_price"))
F_STOP_PRICE, F_TRAIL, F_DISPLAY = (FIELDS.index(n) for n in ("stop_price", "trail", "display_quantity"))
F_EXPIRES, F_ACCOUNT, F_SYMBOL = (FIELDS.index(n) for n in ("expires_ns", "account", "symbol"))
F_TYPE, F_SIDE, F_ORDER_TYPE = (FIELDS.index(n) for n in ("type", "side", "order_type"))
F_TIME, F_FLAGS = FIELDS.index("time_in_force"), FIELDS.index("flags")
F_SELF_TRADE, F_CLIENT_ID = FIELDS.index("self_trade_prevention"), FIELDS.index("client_order_id")

REFUSAL: Final = 8
"""A refusal is one number: reason + REFUSAL bits of shift × field; 0 is none."""
