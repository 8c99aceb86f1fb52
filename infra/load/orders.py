"""The orders that `hft load` sends: half rest far from the market, half cancel them again, so that nothing is left."""

from __future__ import annotations

import secrets
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.client import Client
from engine.layout import COMMAND
from engine.words import CommandType, OrderType, Side, TimeInForce
from infra.errors import OperatorError


class Orders:
    """New orders and their cancels in turns, for one account in one symbol; every run's ids are its own."""

    def __init__(self, client: Client, account: str, symbol: str) -> None:
        """Raises `OperatorError` where the engine knows no such account or symbol."""
        directory = client.directory
        instrument = directory.instruments.find(symbol)
        number = directory.session.account_ids.get(account)
        if instrument is None:
            raise OperatorError(f"--symbol {symbol}: there is no such instrument")
        if number is None:
            raise OperatorError(f"--account {account}: there is no such account (hft account create {account})")
        record = np.zeros(1, COMMAND)
        record["account"] = number
        record["instrument"] = instrument.number
        record["side"] = int(Side.BUY)
        # The lowest price that there is: a buy order there trades with nobody.
        record["limit_price"] = instrument.price_min
        record["quantity"] = 1
        record["order_type"] = int(OrderType.LIMIT)
        record["time_in_force"] = int(TimeInForce.GTC)
        record["source_partition"] = record["source_offset"] = -1
        self._record = record
        self._run = secrets.token_hex(6)
        self._count = 0

    def take(self, count: int) -> NDArray[Any]:
        """The next `count` commands."""
        numbers = np.arange(self._count, self._count + count)
        self._count += count
        made = np.repeat(self._record, count)
        made["type"] = np.where(numbers % 2 == 0, int(CommandType.NEW), int(CommandType.CANCEL))
        made["client_order_id"] = [f"load-{self._run}-{number // 2}".encode() for number in numbers]
        for name in ("side", "limit_price", "quantity", "order_type", "time_in_force"):
            made[name][numbers % 2 == 1] = 0
        return made
