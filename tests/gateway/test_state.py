"""The latest state, folded from Kafka's records."""

from __future__ import annotations

import msgspec

from gateway import channels
from gateway.channels import Channel
from gateway.state import RECENT, State
from tests.gateway.records import canceled, order, order_event, record, report

ORDERS = Channel(channels.ORDERS, None)
FILLS = Channel(channels.FILLS, None)
POSITIONS = Channel(channels.POSITIONS, None)
BOOK = Channel(channels.BOOK, "AAPL")
TRADES = Channel(channels.TRADES, "AAPL")


def state(**arguments: int) -> State:
    made = State(**arguments)
    made.offsets = {feed.name: [0, 0] for feed in channels.FEEDS}
    return made


def shown(made: State, channel: Channel, accounts: frozenset[str] | None = None) -> list[dict[str, object]]:
    return [msgspec.json.decode(value) for value in made.snapshot(channel, accounts)]


def test_orders_are_folded_and_the_working_ones_shown() -> None:
    made = state()
    first = made.apply(order_event(0, report(7)))
    assert first is not None
    assert msgspec.json.decode(first.json)["created_ns"] == "1007"
    made.apply(order_event(1, report(8)))
    last = made.apply(order_event(2, canceled(9, 7)))
    assert last is not None
    assert msgspec.json.decode(last.json)["status"] == "canceled"
    assert [row["order_id"] for row in shown(made, ORDERS)] == ["8"]
    assert made.offsets["orders"] == [3, 0]
    assert made.last_seq == 9


def test_a_report_that_is_known_already_changes_nothing() -> None:
    made = state()
    made.put_order(order(7, last_seq=9, status="canceled"))
    assert made.apply(order_event(0, report(7))) is None
    assert made.apply(order_event(1, canceled(9, 7))) is None
    assert made.orders["7"].status == "canceled"


def test_a_refused_cancel_changes_no_order() -> None:
    made = state()
    made.apply(order_event(0, report(7)))
    assert made.apply(order_event(1, report(8, order_id=7, exec_type="rejected", reason="too_late"))) is None
    refused = report(9, order_id=0, exec_type="rejected", order_status="rejected", reason="unknown_order")
    assert made.apply(order_event(2, refused)) is None
    assert made.orders["7"].reason is None


def test_an_order_whose_beginning_was_not_read_is_not_made_up() -> None:
    made = state()
    assert made.apply(order_event(0, canceled(9, 7))) is None
    assert made.orders == {}


def test_closed_orders_make_room() -> None:
    made = state(closed_kept=2)
    for number in range(1, 6):
        made.apply(order_event(number, report(number)))
    for number in range(1, 5):
        made.apply(order_event(10 + number, canceled(10 + number, number)))
    assert sorted(made.orders) == ["3", "4", "5"]
    assert sorted(made.by_account["demo"]) == ["3", "4", "5"]


def test_private_records_are_the_accounts_own() -> None:
    made = state()
    for account in ("demo", "other"):
        made.apply(record(channels.POSITIONS, 0, account=account, quantity="5"))
        made.apply(record(channels.FILLS, 0, account=account, seq=3))
    assert [row["account"] for row in shown(made, POSITIONS, frozenset(["demo"]))] == ["demo"]
    assert [row["account"] for row in shown(made, FILLS, frozenset(["other"]))] == ["other"]
    assert len(shown(made, POSITIONS)) == 2


def test_only_the_latest_of_a_key_is_kept() -> None:
    made = state()
    for offset, quantity in enumerate("123"):
        made.apply(record(channels.POSITIONS, offset, quantity=quantity))
        made.apply(record(channels.BOOK, offset, account="", bids=[[quantity, "1", 1]]))
    assert [row["quantity"] for row in shown(made, POSITIONS)] == ["3"]
    assert [row["bids"] for row in shown(made, BOOK)] == [[["3", "1", 1]]]


def test_the_newest_fills_come_in_the_order_of_the_engine() -> None:
    made = state()
    # Two symbols in two partitions: what is read later may have happened earlier.
    for seq in (2, 4, 6):
        made.apply(record(channels.FILLS, seq, symbol="AAPL", seq=seq))
    for seq in (1, 3, 5):
        made.apply(record(channels.FILLS, seq, partition=1, symbol="MSFT", seq=seq))
    assert [row["seq"] for row in shown(made, FILLS)] == [1, 2, 3, 4, 5, 6]


def test_the_tape_is_bounded() -> None:
    made = state()
    for seq in range(RECENT + 10):
        made.apply(record(channels.TRADES, seq, seq=seq))
    assert [row["seq"] for row in shown(made, TRADES)] == list(range(10, RECENT + 10))
