"""The position agent without servers: corporate actions fall between the right fills, whenever they are told of."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any

import msgspec
import pytest

from engine import messages, topics
from streams import corporate_actions
from streams.agents.keeper import Shelf
from streams.agents.positions import PositionKeeper
from streams.ledger import Holding
from streams.records import Unusable
from tests.streams import flow
from tests.streams.test_audit import audited, keep_books


class Sent:
    """Keeps what is sent; every topic has one partition."""

    def __init__(self) -> None:
        self.records: list[messages.Position] = []

    def partition_count(self, topic: str) -> int:
        return 1

    def send(self, topic: str, key: str, value: bytes, partition: int | None = None, trace: bytes = b"") -> None:
        assert topic == topics.POSITIONS.name
        self.records.append(msgspec.json.decode(value, type=messages.Position))

    def delivered(self) -> None:
        """At once."""


class Told:
    """The reference data that have been read so far; `late` actions are there once somebody waits for them."""

    def __init__(self) -> None:
        self.actions: dict[str, tuple[corporate_actions.Action, ...]] = {}
        self.scales = flow.SCALES
        self.methods: dict[str, str] = {}
        self.late: list[messages.CorporateAction] = []

    async def known_scale(self, symbol: str) -> Any:
        return self.scales[symbol]

    async def known_method(self, account: str) -> str:
        return self.methods[account]

    def wait_caught_up(self, limit_s: float) -> bool:
        for record in self.late:
            read = corporate_actions.read(record, self.scales[record.symbol])
            self.actions[record.symbol] = (*self.actions.get(record.symbol, ()), read)
        self.late.clear()
        return True

    def check(self) -> None:
        """Nothing has failed."""


class Agent:
    def __init__(self) -> None:
        self.sent, self.told = Sent(), Told()
        self.keeper = PositionKeeper("nowhere", self.sent, self.told, lambda: 0.0)  # type: ignore[arg-type]
        self.start({})

    def start(self, states: dict[str, dict[str, Any]]) -> None:
        """From saved states, as after a kill."""
        keeper = PositionKeeper("nowhere", self.sent, self.told, lambda: 0.0)  # type: ignore[arg-type]
        self.shelf: Shelf[Holding] = Shelf(0, 0)
        self.shelf.states = {key: keeper.restore(state) for key, state in states.items()}
        keeper.shelves = {0: self.shelf}
        self.keeper = keeper

    def saved(self) -> dict[str, dict[str, Any]]:
        states = {key: self.keeper.preserve(kept) for key, kept in self.shelf.states.items()}
        plain: dict[str, dict[str, Any]] = msgspec.json.decode(msgspec.json.encode(states))
        return plain

    def read(self, record: messages.Fill) -> None:
        asyncio.run(self.keeper.fold(self.shelf, messages.as_json(record)))
        self.shelf.next_offset += 1

    def tick(self) -> None:
        asyncio.run(self.keeper.publish_due())


def market(seed: int) -> list[flow.Record]:
    made = flow.Market(seed=seed, accounts=8)
    return [
        *made.setup(),
        *made.commands(80),
        *made.split("AAPL", 3, 7),
        *made.dividend("MSFT", 25),
        *made.commands(40),
        *made.split("AAPL", 2, 1),
        *made.dividend("AAPL", 3),
        *made.commands(40),
        *made.split("BTCUSD", 1, 3),
    ]


def wanted(records: list[flow.Record]) -> list[messages.Position]:
    """What a single fold in the order of the commands makes of it, which the audit has found right."""
    books = keep_books(records)
    assert audited(books).ok
    published: list[messages.Position] = books["positions"]
    return published


def by_position(published: list[messages.Position]) -> dict[tuple[str, str], list[messages.Position]]:
    """Each one's records in order; the strategies of a record have no order."""
    found = defaultdict(list)
    for record in published:
        parts = sorted(record.strategies, key=lambda part: part.strategy)
        found[record.account, record.symbol].append(msgspec.structs.replace(record, strategies=parts))
    return found


@pytest.mark.parametrize("news", ["early", "late", "with the fills"])
def test_an_action_falls_between_the_fills_around_it(news: str) -> None:
    """The topics are read side by side: the action may be known long before the last fill of before, or only when the
    first one of after waits for it."""
    records, agent = market(21), Agent()
    fills = [record for topic, _, record in records if topic == "fills"]
    actions = [record for topic, _, record in records if topic == "corporate-actions"]
    agent.told.methods = {r.account: r.cost_method for topic, _, r in records if topic == "accounts"}
    agent.told.late = list(actions)
    if news == "early":
        agent.told.wait_caught_up(0)
    for fill in fills:
        agent.read(fill)
        if news == "with the fills" and agent.told.late and fill.seq > agent.told.late[0].seq:
            agent.told.wait_caught_up(0)
        agent.tick()
    agent.told.wait_caught_up(0)
    agent.tick()
    assert by_position(agent.sent.records) == by_position(wanted(records))


def test_a_kill_anywhere_counts_no_action_twice_and_leaves_none_out() -> None:
    records, agent = market(22), Agent()
    fills = [record for topic, _, record in records if topic == "fills"]
    agent.told.methods = {r.account: r.cost_method for topic, _, r in records if topic == "accounts"}
    agent.told.late = [record for topic, _, record in records if topic == "corporate-actions"]
    agent.told.wait_caught_up(0)
    for number, fill in enumerate(fills):
        if number % 3 == 0:
            agent.start(agent.saved())
        if number % 2 == 0:
            agent.tick()
        agent.read(fill)
    agent.start(agent.saved())
    agent.tick()
    assert by_position(agent.sent.records) == by_position(wanted(records))


def test_a_fill_that_names_no_action_there_is_is_refused() -> None:
    agent = Agent()
    fill = next(record for topic, _, record in flow.Market(seed=1).commands(1) if topic == "fills")
    agent.told.methods = {fill.account: "average"}
    with pytest.raises(Unusable, match="no corporate action 5"):
        agent.read(msgspec.structs.replace(fill, action_seq=5))
    assert agent.shelf.states == {}
