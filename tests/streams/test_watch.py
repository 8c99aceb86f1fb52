"""The continuous audit: what counts as a difference, what as in flight."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from engine import messages
from engine.answers import HeldPosition, Positions
from streams.stores import Books, Store, StoreResult, compare, values
from streams.watch import BEHIND_ROUNDS, Looked, Thing, Watch

PLACE = ("positions", 2)
THING: Thing = ("position", "ann AAPL")


def position(seq: int, **changes: Any) -> messages.Position:
    record = messages.Position(
        account="ann",
        symbol="AAPL",
        quantity="10",
        average_price="190.5",
        cost="1905",
        realized_pnl="5",
        fees="0.10",
        bought_quantity="12",
        sold_quantity="2",
        last_price="191",
        last_seq=seq,
        last_index=0,
        ts_ns=1,
    )
    return msgspec.structs.replace(record, **changes)


def looked(name: str, record: messages.Position | None, cursor: int = 100) -> Looked:
    found = {} if record is None else {THING: values("position", record)}
    return Looked(name, {PLACE: cursor}, found)


@pytest.fixture
def watch() -> Watch:
    made = Watch()
    made.take(PLACE, 50, msgspec.json.encode(position(7)))
    return made


def differences(watch: Watch, *stores: Looked) -> list[str]:
    """After two comparisons: one alone counts nothing."""
    watch.compare(list(stores), [THING])
    assert watch.outcome(1).differences == 0
    if THING in watch.changed:
        watch.compare(list(stores), [THING])
    return watch.outcome(1).shown


def test_the_same_everywhere_is_done_with(watch: Watch) -> None:
    same = position(7, cost="1905.00")
    assert differences(watch, looked("Postgres", same), looked("Redis", same)) == []
    assert watch.changed == {}
    assert watch.outcome(1).compared == 1


def test_what_a_store_has_not_read_yet_is_in_flight(watch: Watch) -> None:
    assert differences(watch, looked("Postgres", None, cursor=50), looked("Redis", position(7))) == []
    assert watch.outcome(1).in_flight == 1


def test_what_a_store_has_read_and_not_kept_differs(watch: Watch) -> None:
    assert differences(watch, looked("Postgres", None), looked("Redis", position(7))) == [
        "Postgres: position ann AAPL is not there"
    ]


def test_what_a_store_holds_otherwise_differs(watch: Watch) -> None:
    [told] = differences(watch, looked("Postgres", position(7)), looked("Redis", position(7, quantity="11")))
    assert told.startswith("Redis: position ann AAPL is (Decimal('11')")


def test_orders_and_executions_of_accounts_whose_names_end_in_digits() -> None:
    watch = Watch()
    fill = messages.Fill(
        fill_id="0.1.7.1",
        trade_id="0.1.7.m1",
        seq=7,
        index=1,
        ts_ns=1,
        transact_ns=1,
        account="fund-1",
        symbol="ES2612",
        side="buy",
        quantity="10",
        price="190.50",
        fee="0.10",
        liquidity="taker",
        order_id="5",
        client_order_id="c-1",
        strategy=None,
    )
    watch.take(("fills", 0), 0, msgspec.json.encode(fill))
    ((thing, change),) = watch.changed.items()
    assert thing[0] == "execution"
    assert change.values == ("fund-1", "ES2612", Decimal(10), Decimal("190.5"), Decimal("0.1"))
    found = {thing: ("fund-1", "ES2612", Decimal(10), Decimal("190.50"), Decimal("0.100000"))}
    watch.compare([Looked("Postgres", {("fills", 0): 1}, found), Looked("Redis", {}, {})], [thing])
    assert watch.changed == {}


def test_a_store_that_is_ahead_of_us_does_not_differ(watch: Watch) -> None:
    later = position(8, quantity="99")
    assert differences(watch, looked("Postgres", later), looked("Redis", later)) == []


def engine(**changes: str) -> Positions:
    own = {"quantity": "10", "bought_quantity": "12", "sold_quantity": "2", "cash": "-1900", "fees": "0.1"} | changes
    counter = {"quantity": "-10", "bought_quantity": "2", "sold_quantity": "12", "cash": "1900", "fees": "0"}
    held = [HeldPosition(account="ann", symbol="AAPL", **own), HeldPosition(account="bob", symbol="AAPL", **counter)]
    return Positions(last_seq=7, positions=held)


def test_the_engine_s_own_positions(watch: Watch) -> None:
    for _ in range(2):
        watch.expect(engine())
        watch.compare([], [])
    assert watch.outcome(1).differences == 0
    for _ in range(2):
        watch.expect(engine(fees="0.2"))
        watch.compare([], [])
    assert watch.outcome(1).shown == ["engine: position ann AAPL is not the published one of command 7"]


MORE = {"quantity": "11", "bought_quantity": "13", "cash": "-2090"}
"""What the engine says one bought unit later."""


def test_a_position_whose_agent_is_behind_is_in_flight_until_it_must_have_come(watch: Watch) -> None:
    for number in range(2 * BEHIND_ROUNDS - 1):
        if number % 2:  # nothing is read in the other ones: Kafka may be away
            watch.take(PLACE, 60 + number, msgspec.json.encode(position(7, account="other")))
        watch.expect(engine(**MORE))
        watch.compare([], [])
        assert (watch.outcome(1).differences, watch.outcome(1).in_flight) == (0, 1)
    for number in range(3):
        watch.take(PLACE, 200 + number, msgspec.json.encode(position(7, account="other")))
        watch.expect(engine(**MORE))
        watch.compare([], [])
    assert watch.outcome(1).shown == ["engine: position ann AAPL is not the published one of command 7"]


def test_a_fill_that_a_later_position_lacks_was_lost(watch: Watch) -> None:
    for number in range(2):
        watch.expect(engine(**MORE))
        watch.take(PLACE, 51 + number, msgspec.json.encode(position(9 + number)))
        watch.compare([], [])
        watch.take(PLACE, 55 + number, msgspec.json.encode(position(7)))
    assert watch.outcome(1).shown == ["engine: position ann AAPL is not the published one of command 7"]


def test_a_fill_that_comes_after_the_engine_was_asked_is_in_its_answer_or_is_not(watch: Watch) -> None:
    watch.expect(engine())
    watch.take(PLACE, 51, msgspec.json.encode(position(9, quantity="11")))
    watch.compare([], [])
    watch.expect(engine())
    watch.compare([], [])
    assert watch.outcome(1).differences == 0, "the published one is of a later command than the answer"


def test_the_engine_s_drift_counts(watch: Watch) -> None:
    record = messages.StateHash(
        topic="commands", kind="engine", offsets=[9], hashes=["00"], seq=9, max_orders=10, drift=3, ts_ns=1
    )
    watch.take(("state-hashes", 0), 0, msgspec.json.encode(record))
    assert (watch.outcome(1).drift, watch.outcome(1).differences) == (3, 1)


# ------------------------------------------------------------------------------------------------- the whole audit

ORDER = ("filled", Decimal(5), Decimal(0), Decimal(190), 9, 1)
WORKING = ("new", Decimal(0), Decimal(5), None, 8, 0)


@pytest.mark.parametrize(
    ("kept", "drops_closed", "told"),
    [
        ({"1": ORDER, "2": WORKING}, False, []),
        ({"2": WORKING}, True, []),
        ({"2": WORKING}, False, ["X: order 1 is not there"]),
        ({"1": ORDER}, True, ["X: order 2 is not there"]),
        ({"1": ORDER, "2": WORKING, "3": ORDER}, False, ["X: order 3 is there, the topics have none"]),
        ({"1": ORDER, "2": (*WORKING[:4], 7, 0)}, False, ["X: order 2: last_seq is 7, the topics say 8"]),
    ],
)
def test_a_store_against_the_topics(kept: dict[str, Any], drops_closed: bool, told: list[str]) -> None:
    result = StoreResult()
    store = Store("X", {}, {"order": kept}, drops_closed)
    result.in_flight["X"] = 0
    compare(store, {"order": {"1": ORDER, "2": WORKING}}, result, whole=True)
    assert result.differences == told
    assert result.ok == (not told)
    assert "X" in result.report()


def fill(seq: int, account: str) -> SimpleNamespace:
    return SimpleNamespace(seq=seq, account=account, symbol="AAPL", quantity="2", price="10", fee="1")


def test_a_history_whose_beginning_is_gone() -> None:
    """What it still has is compared all the same."""
    books = Books(since_seq=5)
    for seq, account in ((3, "ann"), (4, "bob"), (5, "bob"), (6, "bob")):
        books.take("fills", fill(seq, account))
    wanted = books.close()
    wanted["P&L"] = {"ann": (Decimal(1),) * 7}
    assert wanted["executions"] == {"bob AAPL": (Decimal(2), Decimal(4), Decimal(40), Decimal(2))}
    told = []
    for since_seq, executions in ((5, wanted["executions"]), (5, {}), (0, wanted["executions"])):
        result = StoreResult(in_flight={"X": 0})
        kept = {"executions": executions, "P&L": {}}
        compare(Store("X", {}, kept, True, since_seq), wanted, result, whole=True)
        told.append(result.differences)
    assert told == [[], ["X: executions bob AAPL is not there"], ["X: P&L ann is not there"]]
