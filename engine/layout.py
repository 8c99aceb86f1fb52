"""Binary records: commands in integer ticks and lots, as ZeroMQ carries them and the journal keeps them, the reports
that the core answers with, and the head of a frame (docs/zeromq.md)."""

from __future__ import annotations

from typing import Final

import numpy as np

NAME_LENGTH: Final = 16
CLIENT_ORDER_ID_LENGTH: Final = 48

NAME: Final = f"S{NAME_LENGTH}"
ACTOR: Final = "S20"
CLIENT_ORDER_ID: Final = f"S{CLIENT_ORDER_ID_LENGTH}"

COMMAND: Final = np.dtype(
    [
        ("seq", "<u8"),  # stamped by the engine
        ("ts_ns", "<i8"),  # stamped by the engine
        ("transact_ns", "<i8"),
        ("order_id", "<u8"),  # cancel and replace: 0 where client_order_id names the order
        ("quantity", "<i8"),  # lots; replace: 0 = unchanged
        ("limit_price", "<i8"),  # ticks; replace: 0 = unchanged
        ("stop_price", "<i8"),  # ticks; replace: 0 = unchanged
        ("trail", "<i8"),  # ticks, or millionths of the price with the flag
        ("display_quantity", "<i8"),  # lots
        ("expires_ns", "<i8"),
        ("source_offset", "<i8"),  # of the `orders` topic; -1 where it did not come from Kafka
        ("source_partition", "<i4"),
        ("account", "<u4"),  # number of the account, 0 = none
        ("instrument", "<u4"),  # number of the instrument, 0 = none (cancel_all: every one)
        ("type", "u1"),
        ("side", "u1"),  # 0 = none
        ("order_type", "u1"),
        ("time_in_force", "u1"),
        ("flags", "u1"),  # `words.Flag`
        ("self_trade_prevention", "u1"),  # 0 = the account's rule
        ("source", "u1"),  # stamped by the engine
        ("durability", "u1"),  # 0 = the session's default
        ("actor", ACTOR),  # who: stamped by the engine from the session
        ("strategy", NAME),
        ("client_order_id", CLIENT_ORDER_ID),
    ]
)
"""A command in ticks and lots: 192 bytes."""


REPORT: Final = np.dtype(
    [
        ("seq", "<u8"),
        ("ts_ns", "<i8"),
        ("transact_ns", "<i8"),
        ("order_id", "<u8"),
        ("list_id", "<u8"),  # order number of the list's first leg, 0 = in no list
        ("quantity", "<i8"),  # lots
        ("filled", "<i8"),  # lots, cumulative
        ("leaves", "<i8"),  # lots
        ("notional", "<i8"),  # ticks × lots, cumulative: average price = notional / filled
        ("limit_price", "<i8"),  # ticks, 0 = none
        ("stop_price", "<i8"),  # ticks as it stands now (it trails), 0 = none
        ("trail", "<i8"),  # ticks, or millionths with the flag
        ("display_quantity", "<i8"),  # lots, 0 = all of it is shown
        ("expires_ns", "<i8"),
        ("last_quantity", "<i8"),
        ("last_price", "<i8"),
        ("fee", "<i8"),  # money units of this fill
        ("index", "<u4"),  # k: place among the reports of this command
        ("match", "<u4"),  # number of the match within the command, from 1; both sides carry it
        ("account", "<u4"),
        ("instrument", "<u4"),
        ("exec_type", "u1"),
        ("order_status", "u1"),
        ("reason", "u1"),
        ("field", "u1"),
        ("side", "u1"),
        ("order_type", "u1"),
        ("time_in_force", "u1"),
        ("liquidity", "u1"),
        ("source", "u1"),
        ("flags", "u1"),
        ("self_trade_prevention", "u1"),
        ("pad", "S5"),
        ("strategy", NAME),
        ("client_order_id", CLIENT_ORDER_ID),
    ]
)
"""What the core says of one change of one order: 232 bytes."""

FIELDS: Final[tuple[str, ...]] = ("", *(COMMAND.names or ()), "symbol", "token", "reason", "post_only", "reduce_only")
"""Names that a refusal can point at; a record's `field` is an index into it."""

REPLY: Final = np.dtype(
    [
        ("seq", "<u8"),  # 0 where the command was refused before it was sequenced
        ("order_id", "<u8"),
        ("quantity", "<i8"),
        ("filled", "<i8"),
        ("leaves", "<i8"),
        ("notional", "<i8"),
        ("outcome", "u1"),
        ("order_status", "u1"),
        ("reason", "u1"),
        ("field", "u1"),
        ("durability", "u1"),
        ("pad", "S3"),
        ("affected", "<u4"),  # cancel_all: how many orders were canceled
        ("instrument", "<u4"),  # of the order, 0 = none: the unit of the quantities
    ]
)
"""The answer to one command, by its place in the frame: 64 bytes."""

TRADE: Final = np.dtype(
    [
        ("seq", "<u8"),
        ("ts_ns", "<i8"),
        ("transact_ns", "<i8"),
        ("price", "<i8"),  # ticks
        ("quantity", "<i8"),  # lots
        ("match", "<u4"),  # number of the match within the command, from 1
        ("instrument", "<u4"),
        ("aggressor_side", "u1"),  # 0 = not known
        ("exec_type", "u1"),  # trade, or print: reported to the tape without an order of this book
        ("pad", "S6"),
    ]
)
"""One trade of the market-data stream: 56 bytes."""

BOOK_LEVELS: Final = 20
LEVEL: Final = np.dtype([("price", "<i8"), ("quantity", "<i8"), ("orders", "<u4"), ("pad", "S4")])
BOOK: Final = np.dtype(
    [
        ("seq", "<u8"),  # the last command that the engine had applied
        ("ts_ns", "<i8"),  # of the last report of the instrument
        ("indicative_price", "<i8"),  # ticks; in an auction: what an uncross would trade now, 0 = nothing
        ("indicative_quantity", "<i8"),  # lots
        ("instrument", "<u4"),
        ("phase", "u1"),
        ("bids", "u1"),  # how many levels are filled
        ("asks", "u1"),
        ("pad", "S1"),
        ("bid", LEVEL, BOOK_LEVELS),  # best first
        ("ask", LEVEL, BOOK_LEVELS),
    ]
)
"""A book of the market-data stream: 1000 bytes."""

HEARTBEAT: Final = np.dtype([("seq", "<u8"), ("ts_ns", "<i8")])
"""Of the market-data stream, once a second: the last command that the engine had applied, and the time: 16 bytes."""

HEADER: Final = np.dtype(
    [
        ("magic", "S3"),
        ("version", "u1"),
        ("kind", "u1"),
        ("flags", "u1"),
        ("record_size", "<u2"),
        ("count", "<u4"),
        ("second", "<u4"),  # commands: the last one in which they may be taken, 0 = any; streams: when numbering began
        ("request_id", "<u8"),  # comes back in the reply; streams: number of the first record
    ]
)
"""Head of every binary ZeroMQ frame: 24 bytes."""

MAGIC: Final = b"HFT"
FRAME_VERSION: Final = 1


def field_number(name: str) -> int:
    """The number of a field in `FIELDS`, 0 where it has none."""
    try:
        return FIELDS.index(name)
    except ValueError:
        return 0
