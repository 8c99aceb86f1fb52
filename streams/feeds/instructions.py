"""What a feed asks for, before it is put into the engine's records.

A feed numbers its own orders, accounts and instruments from 0; `encode` turns a batch into COMMAND records of the
session it is sent in. An order's client_order_id is TAG-NUMBER, so cancels and replaces need not wait for the engine's
order number, and a tag that is never used again makes the ids unique for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.layout import COMMAND
from engine.messages import Session
from engine.words import CommandType, OrderType, TimeInForce

NEW: Final = int(CommandType.NEW)
CANCEL: Final = int(CommandType.CANCEL)
REPLACE: Final = int(CommandType.REPLACE)
IOC: Final = int(TimeInForce.IOC)
GTC: Final = int(TimeInForce.GTC)


class Instruction(NamedTuple):
    """A new limit order, or the cancel or replace of one. Plain integers."""

    type: int
    """NEW, CANCEL or REPLACE."""
    number: int
    """Of the order, given by the feed."""
    account: int
    instrument: int
    side: int
    price: int
    """Ticks; replace: 0 = unchanged."""
    quantity: int
    """Lots; replace: the whole new quantity, filled part included."""
    time_in_force: int = GTC


INSTRUCTION: Final = np.dtype([(name, "<i8") for name in Instruction._fields])


def columns(instructions: Iterable[Instruction]) -> NDArray[Any]:
    """The instructions as records of INSTRUCTION."""
    return np.array(list(instructions), INSTRUCTION)


def encode(
    wanted: NDArray[Any], *, accounts: Sequence[int], instruments: Sequence[int], tag: str, strategy: str
) -> NDArray[Any]:
    """COMMAND records of INSTRUCTION records.

    `accounts` and `instruments` give the engine's numbers by the feed's; `seq`, the stamps and `transact_ns` stay 0.
    """
    commands = np.zeros(len(wanted), COMMAND)
    new = wanted["type"] == NEW
    commands["type"] = wanted["type"]
    commands["account"] = np.asarray(accounts, np.uint32)[wanted["account"]]
    commands["instrument"] = np.asarray(instruments, np.uint32)[wanted["instrument"]]
    commands["side"] = np.where(new, wanted["side"], 0)
    commands["order_type"] = np.where(new, int(OrderType.LIMIT), 0)
    commands["time_in_force"] = np.where(new, wanted["time_in_force"], 0)
    commands["limit_price"] = np.where(wanted["type"] == CANCEL, 0, wanted["price"])
    commands["quantity"] = np.where(wanted["type"] == CANCEL, 0, wanted["quantity"])
    commands["source_offset"] = -1
    commands["strategy"] = np.where(new, strategy.encode(), b"")
    commands["client_order_id"] = [f"{tag}-{number}".encode() for number in wanted["number"].tolist()]
    return commands


def session_tag(session: Session) -> str:
    """A tag that no other session has: the engine's last command when it began, and each session adds some."""
    return f"{session.epoch:x}.{session.last_seq:x}"
