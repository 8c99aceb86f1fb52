"""Small markets for tests: from a list of commands, and a random one with makers and takers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import partial

import numpy as np

from engine.core import Core
from engine.decode import decode, with_ids
from engine.layout import COMMAND
from engine.messages import Cancel, DefineAccount, DefineInstrument, NewOrder, OrderCommand
from engine.segments import Frame
from streams.backtest.market import entry

SYMBOL = "TEST"
MS = 1_000_000
INSTRUMENT = DefineInstrument(
    symbol=SYMBOL,
    tick_size=Decimal("0.01"),
    lot_size=Decimal(1),
    price_min=Decimal("1"),
    price_max=Decimal("1000"),
    maker_fee_ppm=-20,
    taker_fee_ppm=30,
)
ACCOUNTS = ("maker", "taker")


class CommandMarket:
    """Plays commands at their times."""

    name = "commands of a test"
    max_orders = 20_000

    def __init__(self, commands: Sequence[tuple[int, OrderCommand]]) -> None:
        """(milliseconds, command), rising."""
        self.commands = list(commands)

    def frames(self, core: Core) -> Iterator[Frame]:
        yield entry(0, INSTRUMENT)
        for account in ACCOUNTS:
            yield entry(0, DefineAccount(account=account, deposit=Decimal(10**9)))
        for number, (milliseconds, command) in enumerate(self.commands):
            named = with_ids(command, partial(str, f"auto-{number}"))
            rows = np.array(decode(named, core.instruments, core.accounts), COMMAND)
            rows["ts_ns"] = milliseconds * MS
            yield Frame(0, len(rows), rows, None, 1)


def limit(
    side: str, quantity: int, price: str, name: str | None = None, *, account: str = "maker", ioc: bool = False
) -> NewOrder:
    return NewOrder(
        account=account,
        symbol=SYMBOL,
        side=side,
        quantity=Decimal(quantity),
        limit_price=Decimal(price),
        time_in_force="ioc" if ioc else "gtc",
        client_order_id=name,
    )


def take(side: str, quantity: int) -> NewOrder:
    return NewOrder(
        account="taker",
        symbol=SYMBOL,
        side=side,
        quantity=Decimal(quantity),
        order_type="market",
        time_in_force="ioc",
    )


def cancel(name: str) -> Cancel:
    return Cancel(account="maker", symbol=SYMBOL, client_order_id=name)


def random_market(seed: int, rounds: int) -> CommandMarket:
    """Every 10 ms the makers quote anew around a price that walks; a taker comes by in most rounds."""
    rng = np.random.default_rng(seed)
    middle = 10_000
    commands: list[tuple[int, OrderCommand]] = []
    standing: list[str] = []
    for number in range(rounds):
        at = 10 * (number + 1)
        middle += int(rng.integers(-2, 3))
        commands += [(at, cancel(name)) for name in standing]
        standing = []
        for side, sign in (("buy", -1), ("sell", 1)):
            for level in (1, 2, 3):
                name = f"{side}-{number}-{level}"
                price = str(Decimal(middle + sign * level) / 100)
                commands.append((at, limit(side, int(rng.integers(1, 40)), price, name)))
                standing.append(name)
        if rng.random() < 0.8:
            commands.append((at + 5, take(str(rng.choice(["buy", "sell"])), int(rng.integers(1, 50)))))
    return CommandMarket(commands)
