"""Frames of commands for the real engine, made faster than it takes them: each has new ids and is otherwise alike.

Of a frame's commands half are new limit orders around one price, one in ten crossing, half cancel them again (those
that have traded are too late: that is an answer too)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.client import Client
from engine.layout import COMMAND
from engine.messages import DefineAccount
from engine.words import CommandType, OrderType, Side, TimeInForce

ACCOUNTS: Final = 1000
SYMBOL: Final = "AAPL"
MIDDLE: Final = 19_000
"""Ticks."""
AWAY: Final = 40
"""Ticks from the middle at most."""
CROSSING: Final = 10
"""Every this many orders one crosses."""
SEED: Final = 42


def open_accounts(client: Client) -> None:
    """Defines the accounts that the frames are for."""
    for number in range(1, ACCOUNTS + 1):
        client.administer(DefineAccount(account=f"bench-{number}", deposit=Decimal(10**9)))
    client.connect()


class OrderFrames:
    """Makes the frames of one client."""

    def __init__(self, client: Client, commands: int) -> None:
        """`commands`: in a frame, even."""
        directory = client.directory
        entry = directory.instruments.find(SYMBOL)
        if entry is None:
            raise ValueError(f"{SYMBOL} is not traded here")
        half = commands // 2
        random = np.random.default_rng(SEED)
        made = np.zeros(2 * half, COMMAND)
        numbers = np.array([directory.session.account_ids[f"bench-{k}"] for k in range(1, ACCOUNTS + 1)])
        new, cancel = made[:half], made[half:]
        new["type"], cancel["type"] = int(CommandType.NEW), int(CommandType.CANCEL)
        new["account"] = cancel["account"] = random.choice(numbers, half)
        made["instrument"] = entry.number
        buys = random.random(half) < 0.5
        new["side"] = np.where(buys, int(Side.BUY), int(Side.SELL))
        away = random.integers(1, AWAY + 1, half)
        away[::CROSSING] *= -1
        new["limit_price"] = np.where(buys, MIDDLE - away, MIDDLE + away)
        new["quantity"] = random.integers(1, 101, half)
        new["order_type"] = int(OrderType.LIMIT)
        new["time_in_force"] = int(TimeInForce.GTC)
        new["client_order_id"] = cancel["client_order_id"] = [f"00000000{k:012d}".encode() for k in range(half)]
        made["source_partition"] = made["source_offset"] = -1
        self._records = made
        self._words = made.view("<u8").reshape(len(made), -1)
        self._word = COMMAND.fields["client_order_id"][1] // 8 if COMMAND.fields else 0
        self._frame = 0

    def next(self) -> NDArray[Any]:
        """The next frame's records: read them before the next call."""
        self._frame += 1
        self._words[:, self._word] = int.from_bytes(f"{self._frame:08d}".encode(), "little")
        return self._records
