"""A run among random traffic, written down and played again: the same commands, reports and fills; and what differs is
noticed. Without servers: `tests/integration/test_strategy_run.py` does it with the real ones."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from engine import messages, topics
from engine.command_rows import frames
from engine.messages import Fill, OrderEvent
from streams.backtest.observer import Observer
from streams.backtest.recorded import Replayer
from streams.strategies.events import Event, order_update, trade_update
from streams.strategies.imbalance import Imbalance
from streams.strategies.instrument import listed
from streams.strategies.runner import LEVELS, Recorded, Started, new_session
from streams.strategies.strategy import parameters
from tests.streams.backtest.markets import INSTRUMENT, SYMBOL, random_market
from tests.streams.backtest.test_compare import ROOM, Log

GIVEN = {"symbol": SYMBOL, "threshold": 0.1, "quantity": 2, "max_position": 12}


class Live(Log):
    """The log, with a strategy that is given what happens as it happens."""

    def __init__(self) -> None:
        self.happened: list[tuple[topics.Topic, bytes]] = []
        super().__init__()
        self._observer = Observer(self.core)
        chosen = parameters(Imbalance, GIVEN)
        units = {SYMBOL: listed(INSTRUMENT)}
        self.session = new_session(Imbalance, chosen, "run", "mine", Decimal(1000), units)
        self.events: list[tuple[int, Event]] = []
        self.reports: list[bytes] = []

    def _keep(self, outputs: Any) -> None:
        kept = list(outputs)
        self.happened += [(output.topic, output.value) for output in kept]
        super()._keep(kept)

    def trade(self, rounds: int) -> None:
        for number, (at, command) in enumerate(random_market(8, rounds).commands):
            self.send(at, command)
            if number % 3 == 0:
                self.tell(at)

    def tell(self, at: int) -> None:
        """Gives the strategy what happened since, and the book; what it sends is sequenced at once."""
        waiting, self.happened = self.happened, []
        found: list[Event] = [self._observer.book(1, LEVELS, at)]
        for topic, value in waiting:
            if topic is topics.TRADES:
                found.append(trade_update(msgspec.json.decode(value, type=messages.Trade)))
            elif topic is topics.ORDER_EVENTS:
                report = msgspec.json.decode(value, type=OrderEvent)
                if report.account == "mine":
                    self.reports.append(value)
                    found.append(order_update(report))
        for event in found:
            if self.session.wants(event):
                self.events.append((len(self.events) + 1, event))
                for command in self.session.deliver(event):
                    self.send(at, command)


@pytest.fixture(scope="module")
def live() -> Live:
    found = Live()
    found.trade(120)
    found.tell(10_000)
    return found


def played(live: Live, events: list[tuple[int, Event]], given: dict[str, Any]) -> Replayer:
    started = Started(strategy="imbalance", account="mine", cash="1000", parameters=given, cursor={})
    replayer = Replayer("run", Recorded(started=started, events=events, state=None, cursor={}), ROOM)
    for frame in frames(replayer.core, live.commands, 1):
        replayer.take(frame)
    replayer.finish()
    return replayer


def test_the_run_is_the_same_to_the_last_byte(live: Live) -> None:
    replayer = played(live, live.events, GIVEN)
    assert replayer.result.differences == []
    mine = [fill for fill in live.fills if fill.account == "mine"]
    assert replayer.result.fills == mine
    assert len(mine) > 10
    assert replayer.result.orders > 20
    assert set(live.reports) <= set(replayer.result.reports)
    assert replayer.core.last_seq == live.core.last_seq
    bought = sum(int(fill.quantity) for fill in mine if fill.side == "buy")
    assert replayer.result.holdings[SYMBOL].bought == bought
    assert isinstance(mine[0], Fill)


def test_another_parameter_is_another_run(live: Live) -> None:
    assert played(live, live.events, {**GIVEN, "threshold": 0.5}).result.differences


def test_an_event_that_did_not_happen_is_noticed(live: Live) -> None:
    place = next(k for k, (_, event) in enumerate(live.events) if type(event).__name__ == "BookUpdate" and k > 20)
    number, book = live.events[place]
    wrong = msgspec.structs.replace(book, bids=((1.0, 1.0),))
    changed = [*live.events[:place], (number, wrong), *live.events[place + 1 :]]
    assert any("event BookUpdate" in text for text in played(live, changed, GIVEN).result.differences)
