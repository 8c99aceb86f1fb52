"""A strategy on the raw events of an exchange: books, trades, reports and the clock's ticks. It makes the bars itself,
so that the raw events alone decide what is sent, in a backtest as live. Pure."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from engine.messages import OrderCommand
from streams.strategies.bar_builder import BarBuilder, OpenBar
from streams.strategies.desk import Outgoing, Target
from streams.strategies.events import Bar, BookUpdate, Event, OrderUpdate, TradeUpdate
from streams.strategies.running import Running


class SessionState(Struct, kw_only=True):
    """What a session saves."""

    running: msgspec.Raw
    bars: dict[str, OpenBar]


class Session:
    def __init__(self, running: Running) -> None:
        self.running = running
        strategy = running.strategy
        self.symbols = frozenset(strategy.symbols)
        self._takes = frozenset(strategy.takes)
        self._bars = BarBuilder(strategy.bar_seconds)
        self.signals: list[tuple[Bar, dict[str, float]]] = []
        """What the strategy computed from its bars, until the driver takes it."""

    def wants(self, event: Event) -> bool:
        """Whether an event of the exchange concerns the strategy at all."""
        if isinstance(event, BookUpdate):
            return event.symbol in self.symbols and "book" in self._takes
        if isinstance(event, TradeUpdate):
            return event.symbol in self.symbols and bool(self._takes & {"trade", "bar"})
        if isinstance(event, OrderUpdate):
            return event.client_order_id.startswith(f"{self.running.tag}-")
        return True

    def start(self) -> list[OrderCommand]:
        return self._resolved(self.running.start())

    def deliver(self, event: Event) -> list[OrderCommand]:
        """Gives the strategy an event, and the bars that it ends first; what it sends, in order."""
        if not isinstance(event, TradeUpdate):
            return self._resolved(self.running.deliver(event))
        sent: list[Outgoing] = []
        if "bar" in self._takes:
            for bar in self._bars.passed(event.ts_ns):
                sent += self.running.deliver(bar)
                values = self.running.strategy.signals()
                if values:
                    self.signals.append((bar, values))
            self._bars.add(event)
        if "trade" in self._takes:
            sent += self.running.deliver(event)
        return self._resolved(sent)

    def _resolved(self, sent: list[Outgoing]) -> list[OrderCommand]:
        """Targets as market orders at the last price."""
        found: list[OrderCommand] = []
        for command in sent:
            if not isinstance(command, Target):
                found.append(command)
                continue
            half_ticks = self.running.desk.state.marks.get(command.symbol)
            order = None if half_ticks is None else self.running.desk.sized(command, max(1, half_ticks // 2))
            if order is not None:
                found.append(order)
        return found

    def save(self) -> dict[str, Any]:
        """As JSON has it."""
        state = SessionState(running=msgspec.Raw(self.running.save()), bars=self._bars.open)
        found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(state))
        return found

    def restore(self, saved: dict[str, Any]) -> None:
        """What `save` gave."""
        state = msgspec.json.decode(msgspec.json.encode(saved), type=SessionState)
        self.running.restore(bytes(state.running))
        self._bars.open = state.bars


def timer_ns(session: Session) -> int:
    """Interval of the strategy's timer in nanoseconds, 0: none."""
    return int(session.running.strategy.timer_seconds * 10**9)
