"""A strategy being driven: event in, commands out, state saved and restored. Every driver uses this one, so that what a
strategy does cannot depend on where it runs. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct

from streams.strategies.desk import Desk, DeskState, Outgoing
from streams.strategies.events import Bar, BookUpdate, Event, OrderUpdate, Timer, TradeUpdate
from streams.strategies.instrument import Listed
from streams.strategies.strategy import ParameterError, Strategy


class Saved(Struct, kw_only=True):
    """Everything that a strategy is at one moment."""

    events: int
    """How many events it has been given."""
    bars: dict[str, int]
    started: bool
    desk: DeskState
    state: Any


class Running:
    """One strategy with its desk."""

    def __init__(
        self,
        kind: type[Strategy],
        parameters: Any,
        *,
        account: str,
        tag: str,
        instruments: Mapping[str, Listed],
        cash: Decimal,
        name: str | None = None,
    ) -> None:
        """`tag` begins the ids of its orders, `name` is the `strategy` that they carry. Raises `ParameterError` where a
        symbol has no instrument, or the parameters do not fit together."""
        self.desk = Desk(account, tag, instruments, cash=cash, strategy=name)
        self.strategy = kind(parameters, self.desk)
        for symbol in self.strategy.symbols:
            if symbol not in instruments:
                raise ParameterError(f"symbol: there is no instrument {symbol} (there are {', '.join(instruments)})")
        self.events = 0
        self._bars = dict.fromkeys(self.strategy.symbols, 0)
        self._warm_up = self.strategy.warm_up
        self._started = False
        self.desk.warm = self._warm_up == 0

    @property
    def tag(self) -> str:
        return self.desk.tag

    def start(self) -> list[Outgoing]:
        """Lets the strategy begin; nothing where it has begun before."""
        if self._started:
            return []
        self._started = True
        self.strategy.on_start()
        return self.desk.taken()

    def deliver(self, event: Event) -> list[Outgoing]:
        """Gives the strategy one event; what it sends, in order."""
        self.events += 1
        desk, strategy = self.desk, self.strategy
        desk.note(event)
        if isinstance(event, Bar):
            self._count(event)
            strategy.on_bar(event)
        elif isinstance(event, OrderUpdate):
            strategy.on_order(event)
            if event.is_fill:
                strategy.on_fill(event)
        elif isinstance(event, BookUpdate):
            strategy.on_book(event)
        elif isinstance(event, TradeUpdate):
            strategy.on_trade(event)
        elif isinstance(event, Timer):
            strategy.on_timer(event)
        return desk.taken()

    def _count(self, bar: Bar) -> None:
        """The bar that makes the last symbol warm is the first on which orders go out."""
        if self.desk.warm or bar.symbol not in self._bars:
            return
        self._bars[bar.symbol] += 1
        self.desk.warm = min(self._bars.values()) > self._warm_up

    def save(self) -> bytes:
        """All of it as JSON."""
        return msgspec.json.encode(
            Saved(
                events=self.events,
                bars=self._bars,
                started=self._started,
                desk=self.desk.state,
                state=self.strategy.state,
            )
        )

    def restore(self, saved: bytes) -> None:
        """What `save` gave. Raises msgspec's errors where the strategy's `State` has changed since."""
        found = msgspec.json.decode(saved, type=Saved)
        self.events = found.events
        self._bars = found.bars
        self._started = found.started
        self.desk.state = found.desk
        self.strategy.state = msgspec.convert(found.state, type(self.strategy).State)
        self.desk.warm = self._warm_up == 0 or min(self._bars.values()) > self._warm_up
