"""The checker itself: a day of three commands holds every invariant, and each way to spoil it breaks the one named."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.answers import StateHash
from engine.messages import Fill, OrderEvent, OrderState, SequencedCommand
from tests.faults import book_invariants
from tests.faults.books import KEYS, Books
from tests.faults.evidence import Evidence, Place, Replay
from tests.faults.invariants import INVARIANTS, told, violations
from tests.faults.load import Acknowledged

DOCS = Path(__file__).parents[2] / "docs" / "faults.md"
BUY, SELL = ("fault-1", "b"), ("fault-2", "s")


def command(seq: int, order: tuple[str, str], offset: int | None = None) -> SequencedCommand:
    return SequencedCommand(
        seq=seq,
        ts_ns=seq,
        source="zeromq" if offset is None else "kafka",
        actor="",
        type="new",
        command={"account": order[0], "client_order_id": order[1]},
        source_partition=None if offset is None else 0,
        source_offset=offset,
    )


def event(seq: int, index: int, order: tuple[str, str], order_id: str, exec_type: str, **more: Any) -> OrderEvent:
    fields: dict[str, Any] = dict.fromkeys(OrderEvent.__struct_fields__)
    fields |= {"seq": seq, "index": index, "exec_id": f"0.1.{seq}.{index}", "exec_type": exec_type}
    fields |= {"account": order[0], "client_order_id": order[1], "order_id": order_id}
    return OrderEvent(**fields | {"order_status": "new", "filled_quantity": "0"} | more)


def fill(traded: OrderEvent) -> Fill:
    fields: dict[str, Any] = dict.fromkeys(Fill.__struct_fields__)
    return Fill(**fields | {"fill_id": traded.exec_id, "seq": traded.seq, "index": traded.index})


def state(order: tuple[str, str], order_id: str) -> OrderState:
    return OrderState(
        account=order[0], client_order_id=order[1], order_id=order_id, order_status="filled", filled_quantity="5"
    )


FILLED = {"order_status": "filled", "filled_quantity": "5"}
EVENTS = [
    event(2, 0, BUY, "2", "new"),
    event(3, 0, SELL, "3", "new"),
    event(3, 1, BUY, "2", "trade", **FILLED),
    event(3, 2, SELL, "3", "trade", **FILLED),
]
REPLAY = Replay("hash", [Place(e.seq, e.index) for e in EVENTS], [Place(3, 1), Place(3, 2)])
GOOD = Evidence(
    acknowledged=[Acknowledged("new", *BUY, 2, "accepted", "2")],
    delivered={(0, 7): SELL[1]},
    orders={(0, 7)},
    commands=[command(1, ("", "")), command(2, BUY), command(3, SELL, 7)],
    events=EVENTS,
    fills=[fill(e) for e in EVENTS if e.exec_type == "trade"],
    states={BUY: state(BUY, "2"), SELL: state(SELL, "3")},
    live=StateHash(last_seq=3, state_hash="hash"),
    replays=[REPLAY, REPLAY],
)


def broken(evidence: Evidence) -> set[str]:
    return {violation.invariant for violation in violations(evidence)}


def test_a_good_day_holds_every_invariant() -> None:
    assert violations(GOOD) == []


@pytest.mark.parametrize(
    ("invariant", "spoil"),
    [
        (
            "no_acknowledged_order_lost",
            lambda: replace(GOOD, acknowledged=[Acknowledged("new", "fault-1", "x", 2, "accepted", "2")]),
        ),
        (
            "no_acknowledged_order_lost",
            lambda: replace(GOOD, acknowledged=[Acknowledged("cancel", *BUY, 9, "accepted", "2")]),
        ),
        (
            "no_acknowledged_order_lost",
            lambda: replace(GOOD, acknowledged=[Acknowledged("new", *BUY, 2, "duplicate", "8")]),
        ),
        ("no_order_doubled", lambda: replace(GOOD, events=[*EVENTS, event(3, 3, BUY, "9", "new")])),
        ("no_command_missing", lambda: replace(GOOD, commands=GOOD.commands[1:])),
        ("no_command_doubled", lambda: replace(GOOD, commands=[GOOD.commands[0], *GOOD.commands])),
        ("no_event_doubled", lambda: replace(GOOD, events=[*EVENTS, EVENTS[-1]])),
        ("no_fill_doubled", lambda: replace(GOOD, fills=[*GOOD.fills, GOOD.fills[0]])),
        ("no_kafka_record_lost", lambda: replace(GOOD, orders={(0, 7), (0, 8)})),
        ("no_kafka_record_lost", lambda: replace(GOOD, delivered={(1, 0): "x"})),
        (
            "no_kafka_record_doubled",
            lambda: replace(
                GOOD, commands=[*GOOD.commands, command(4, SELL, 7)], live=StateHash(last_seq=4, state_hash="hash")
            ),
        ),
        ("events_are_the_replay", lambda: replace(GOOD, fills=GOOD.fills[1:])),
        (
            "events_are_the_replay",
            lambda: replace(GOOD, replays=[REPLAY._replace(events=REPLAY.events[:-1]), REPLAY]),
        ),
        ("status_agrees", lambda: replace(GOOD, states={BUY: None, SELL: GOOD.states[SELL]})),
        (
            "status_agrees",
            lambda: replace(
                GOOD, states={**GOOD.states, BUY: msgspec.structs.replace(state(BUY, "2"), filled_quantity="4")}
            ),
        ),
        ("replay_is_live", lambda: replace(GOOD, replays=[REPLAY, REPLAY._replace(state_hash="other")])),
        ("replay_is_live", lambda: replace(GOOD, live=StateHash(last_seq=3, state_hash="other"))),
    ],
)
def test_what_is_spoilt_breaks_its_invariant(invariant: str, spoil: Callable[[], Evidence]) -> None:
    assert invariant in broken(spoil())
    assert f"{invariant}: " in told(violations(spoil()))


PLACE = ("alice", "AAPL", 7, 1)
BOOKS = Books(
    differences=[],
    fills=Counter([PLACE]),
    positions=Counter([PLACE]),
    published={table: Counter([(1,)]) for table in KEYS},
    stored={table: Counter([(1,)]) for table in KEYS},
    orders={"7": ("filled", Decimal(5), 7, 1)},
    stored_orders={"7": ("filled", Decimal(5), 7, 1)},
    latest={"position:alice|AAPL": b"p"},
    cached={"position:alice|AAPL": b"p"},
)


def test_good_books_hold_every_invariant() -> None:
    assert book_invariants.violations(BOOKS) == []


@pytest.mark.parametrize(
    ("invariant", "changes"),
    [
        ("positions_are_the_audits", {"differences": ["position alice AAPL after 7.1: quantity is 5, not 10"]}),
        ("a_position_for_each_fill", {"positions": Counter()}),
        ("a_position_for_each_fill", {"positions": Counter([PLACE, PLACE])}),
        ("a_position_for_each_fill", {"fills": Counter()}),
        ("nothing_missing_in_postgres", {"stored": {**BOOKS.stored, "trades": Counter()}}),
        ("nothing_twice_in_postgres", {"stored": {**BOOKS.stored, "trades": Counter([(1,), (1,)])}}),
        ("nothing_twice_in_postgres", {"stored": {**BOOKS.stored, "trades": Counter([(1,), (2,)])}}),
        ("orders_in_postgres_are_the_fold", {"stored_orders": {"7": ("new", Decimal(0), 6, 0)}}),
        ("orders_in_postgres_are_the_fold", {"stored_orders": {}}),
        ("redis_has_the_latest", {"cached": {"position:alice|AAPL": None}}),
    ],
)
def test_spoilt_books_break_their_invariant(invariant: str, changes: dict[str, Any]) -> None:
    assert {found.invariant for found in book_invariants.violations(replace(BOOKS, **changes))} == {invariant}


def test_the_docs_name_every_invariant() -> None:
    section = DOCS.read_text().split("## Invariants")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert rows == [invariant.__name__ for invariant in (*INVARIANTS, *book_invariants.INVARIANTS)]
