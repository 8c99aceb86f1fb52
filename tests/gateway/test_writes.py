"""Nobody reads an order in an older state than the reply that they got."""

from __future__ import annotations

from decimal import Decimal

from engine.messages import DefineInstrument, NewOrder, Replace, Reply
from engine.registry import InstrumentEntry
from engine.units import Scale
from engine.words import Source
from gateway.writes import Write, Writes
from tests.gateway.records import order

COMMAND = NewOrder(
    account="demo", symbol="AAPL", side="buy", quantity=Decimal(10), limit_price=Decimal(190), client_order_id="c7"
)

LISTED = DefineInstrument(
    symbol="AAPL", tick_size=Decimal("0.01"), lot_size=Decimal(1), price_min=Decimal(1), price_max=Decimal(1000)
)
AAPL = InstrumentEntry(1, LISTED, Scale(LISTED.tick_size, LISTED.lot_size), 100, 100_000, 1_000_000, 1, 1)


def reply(seq: int, status: str = "new", filled: str = "0", leaves: str = "10", quantity: str = "10") -> Reply:
    return Reply(
        outcome="accepted",
        seq=seq,
        order_id="7",
        order_status=status,
        quantity=quantity,
        filled_quantity=filled,
        leaves_quantity=leaves,
    )


def write(answer: Reply, command: NewOrder | None = None, limit_price: str = "") -> Write:
    price = Decimal(limit_price) if limit_price else None
    change = Replace(account="demo", symbol="AAPL", order_id="7", limit_price=price)
    return Write(answer, "demo", 5000, command, (command or change, AAPL), Source.REST)


def test_a_new_order_is_there_at_once() -> None:
    writes = Writes()
    writes.remember(write(reply(7), COMMAND))
    found = writes.newest("7", None)
    assert found is not None
    assert (found.order_id, found.client_order_id, found.status, found.limit_price) == ("7", "c7", "new", "190.00")
    assert writes.unread(frozenset({"demo"})) == ["7"]
    assert writes.unread(frozenset({"other"})) == []


def test_what_was_read_takes_over_once_it_is_as_new() -> None:
    writes = Writes()
    writes.remember(write(reply(7, "filled", "10", "0"), COMMAND))
    halfway = order(7, status="partially_filled", filled_quantity="4", leaves_quantity="6")
    newest = writes.newest("7", halfway)
    assert newest is not None
    assert (newest.status, newest.filled_quantity, newest.created_ns) == ("filled", "10", halfway.created_ns)
    whole = order(7, status="filled", filled_quantity="10", leaves_quantity="0")
    assert writes.newest("7", whole) is whole
    assert writes.unread(None) == []


def test_a_replace_shows_on_what_was_read_before() -> None:
    writes = Writes()
    writes.remember(write(reply(9, quantity="5", leaves="5"), limit_price="189.50"))
    newest = writes.newest("7", order(7))
    assert newest is not None
    assert (newest.quantity, newest.leaves_quantity, newest.limit_price) == ("5", "5", "189.50")
    later = order(7, last_seq=10, quantity="4")
    assert writes.newest("7", later) is later


def test_two_replies_before_anything_was_read() -> None:
    writes = Writes()
    writes.remember(write(reply(7), COMMAND))
    writes.remember(write(reply(8, "canceled", leaves="0")))
    found = writes.newest("7", None)
    assert found is not None
    assert (found.status, found.symbol, found.limit_price) == ("canceled", "AAPL", "190.00")


def test_prices_of_an_order_that_nobody_has_read_yet_follow_its_changes() -> None:
    writes = Writes()
    writes.remember(write(reply(7), COMMAND))
    for seq, limit_price in ((8, "189.5"), (9, ""), (10, "188")):
        writes.remember(write(reply(seq, quantity="5", leaves="5"), limit_price=limit_price))
        found = writes.newest("7", None)
        assert found is not None
        assert found.limit_price == ("188.00" if seq == 10 else "189.50")


def test_replies_may_come_out_of_order() -> None:
    writes = Writes()
    writes.remember(write(reply(8, "canceled", leaves="0"), COMMAND))
    writes.remember(write(reply(7), COMMAND))
    found = writes.newest("7", None)
    assert found is not None
    assert found.status == "canceled"


def test_memory_is_bounded() -> None:
    writes = Writes(kept=3)
    for number in range(1, 9):
        answer = Reply(outcome="accepted", seq=number, order_id=str(number), order_status="new")
        writes.remember(write(answer, COMMAND))
    assert writes.unread(None) == ["6", "7", "8"]
