"""Fills and ends of orders that work elsewhere: the engine and its reference give the same answers, and no lot and no
money comes from nowhere."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from random import Random
from typing import Any, Final

import msgspec
import numpy as np
import order_flow
import pytest
from compare import answer, difference
from order_flow import Batch
from reference_invariants import check_state
from small_exchange import ACCOUNTS
from twins import twins

from engine import immediate
from engine.core import Core
from engine.layout import FIELDS
from engine.messages import DefineAccount, SetPhase, Timer, VenueEnd, VenueFill
from engine.reference.orders import Order
from engine.words import LIST_SHIFT, ExecType, Liquidity, ListType, OrderStatus, Outcome, Reason, TimeInForce

AT_ONCE: Final = (TimeInForce.IOC, TimeInForce.FOK)
OUT: Final = len(ACCOUNTS) + 1
"""Number of the account that stands for the venue."""


class Elsewhere:
    """Draws what a venue says of orders that there are, the closed ones too; some of it wrong."""

    def __init__(self, seed: int, slow: Any) -> None:
        self.draw = Random(seed)
        self.state = slow.state
        self.last: VenueFill | None = None

    def command(self) -> VenueFill | VenueEnd:
        draw = self.draw
        if self.last is not None and draw.random() < 0.15:
            return self.last
        orders = list(self.state.remembered.values())
        lists = [order for order in orders if order.works and order.children]
        lists = [order for order in lists if not self.state.instrument(order).is_continuous]
        order: Order = draw.choice(lists if lists and draw.random() < 0.5 else orders[-60:])
        number = str(order.order_id) if draw.random() < 0.97 else draw.choice(("0", "999999", str(2**64)))
        if draw.random() < 0.15:
            outcome = draw.choice(("canceled", "canceled", "expired", "asleep"))
            reason = draw.choice((None, "halted", "halted", "bored"))
            field = draw.choice((None, None, "display_quantity", "type", "colour"))
            return VenueEnd(order_id=number, outcome=outcome, reason=reason, field=field)
        known = self.state.instruments  # a refused order may name none of them
        instrument = known[order.instrument - 1] if 0 < order.instrument <= len(known) else known[0]
        tick, lot = instrument.definition.tick_size, instrument.definition.lot_size
        lots = draw.randint(1, max(1, order.leaves) + draw.choice((0, 0, 0, 2)))
        if order.is_stop and order.works:
            lots = order.leaves  # in part only where it can not be triggered here any more
        total = order.filled + lots + draw.choice((0,) * 20 + (1, -1))
        price = draw.randint(max(1, instrument.price_min - 1), min(instrument.price_max, instrument.price_min + 20))
        fee = draw.choice((Decimal(0), Decimal("0.000001"), Decimal("-0.000002"), Decimal(10**9), Decimal("1e-7")))
        odd = draw.random() < 0.04
        self.last = VenueFill(
            order_id=number,
            venue=draw.choice(("out",) * 30 + ("ann", "nobody")),
            execution_id=f"x{draw.randint(1, 10**6)}",
            quantity=lots * lot + (lot / 2 if odd else 0),
            price=price * tick,
            filled_quantity=total * lot,
            fee=fee,
            transact_ns=draw.choice((0, 5, 2**63)) if odd else 7,
        )
        return self.last


@pytest.mark.parametrize("seed", [1, 3])
def test_both_engines_say_the_same(seed: int) -> None:
    fast, slow, seq = twins(max_orders=200)
    counts: Counter[str] = Counter()

    def both(batch: Batch) -> None:
        got, wanted = answer(fast, batch), answer(slow, batch)
        found = difference(got, wanted, batch)
        assert found is None, found
        if isinstance(batch.command, VenueFill | VenueEnd):
            counts[
                f"{type(batch.command).__name__} {int(got.replies['outcome'][0])} {int(got.replies['affected'][0])}"
            ] += 1
            counts.update(f"{ExecType(kind).wire} {len(got.reports)}" for kind in got.reports["exec_type"].tolist())
            counts.update(ExecType(kind).wire for kind in got.reports["exec_type"].tolist())
            counts["list"] += int((got.reports["list_id"] != 0).sum())
            counts.update(f"status {OrderStatus(status).wire}" for status in got.reports["order_status"].tolist())
            counts.update(f"field {FIELDS[field]}" for field in got.reports["field"].tolist())
            assert fast.drift() == 0
        for order in slow.state.working.values():
            counts["waits"] += order.waits_until_ns > 0
        for report in got.reports[np.isin(got.reports["time_in_force"], AT_ONCE)]:
            counts[f"at once {ExecType(report['exec_type']).wire}"] += report["account"] != OUT

    both(Batch(seq, 0, order_flow.records([]), DefineAccount(account="out", deposit=Decimal(0))))
    elsewhere = Elsewhere(seed, slow)
    # The stream numbers its commands without gaps: ours come between, by numbers of their own.
    for batch in order_flow.stream(seed, 1_500, seq + 1, most=8):
        moved = batch.records.copy()
        moved["seq"] *= 10
        command = batch.command
        if isinstance(command, SetPhase) and command.phase == "opening_auction":
            command = msgspec.structs.replace(command, venue="out")
        both(Batch(batch.seq * 10, batch.ts_ns, moved, command))
        for extra in range(1, 4):
            if slow.state.remembered:
                both(
                    Batch(
                        (batch.seq + batch.count - 1) * 10 + extra,
                        batch.ts_ns,
                        order_flow.records([]),
                        elsewhere.command(),
                    )
                )
        check_state(slow.state)
    accepted, refused = int(Outcome.ACCEPTED), int(Outcome.REJECTED)
    for name in (
        *(f"VenueFill {accepted} 1", f"VenueFill {accepted} 0", f"VenueFill {refused} 0"),
        *(f"VenueEnd {accepted} 1", f"VenueEnd {accepted} 0", f"VenueEnd {refused} 0"),
        *("trade 2", "trade 4", "canceled 1", "canceled 2", "expired 1", "status canceled", "status filled"),
        *("field display_quantity", "waits", "at once trade", "list", "triggered"),
    ):
        assert counts[name], f"{name} never happened: {counts}"


def _order(fast: Any, slow: Any, seq: int, lots: int, price: int) -> None:
    batch = Batch(
        seq,
        seq,
        order_flow.records(
            [
                {
                    **{"seq": seq, "ts_ns": seq, "type": 1, "account": 1, "instrument": 1, "side": 1, "order_type": 2},
                    **{"time_in_force": 2, "quantity": lots, "limit_price": price, "client_order_id": b"mine"},
                    **{"source": 1, "source_partition": -1, "source_offset": -1, "strategy": b"tag"},
                }
            ]
        ),
    )
    assert difference(answer(fast, batch), answer(slow, batch), batch) is None


def test_a_fill_after_the_cancel_is_the_orders_too() -> None:
    """What the venue did before it took the cancel has happened, whatever was said here."""
    fast, slow, seq = twins(max_orders=100)
    fast.administer(seq, 1, DefineAccount(account="out"))
    fast.administer(seq + 1, 1, SetPhase(symbol="NARROW", phase="opening_auction"))
    slow.administer(seq, 1, DefineAccount(account="out"))
    slow.administer(seq + 1, 1, SetPhase(symbol="NARROW", phase="opening_auction"))
    _order(fast, slow, seq + 2, 10, 100)
    name = str(seq + 2)

    def fill(number: int, lots: int, total: int) -> Any:
        command = VenueFill(
            order_id=name,
            venue="out",
            execution_id=f"x{number}",
            quantity=Decimal(lots),
            price=Decimal("0.98"),
            filled_quantity=Decimal(total),
        )
        return fast.administer(seq + 10 + number, 1, command)

    (venue, own) = fill(1, 4, 4).reports
    assert (venue["client_order_id"], venue["liquidity"], venue["order_status"]) == (
        b"x1",
        Liquidity.MAKER,
        OrderStatus.FILLED,
    )
    assert (own["order_status"], own["filled"], own["leaves"], own["strategy"]) == (
        OrderStatus.PARTIALLY_FILLED,
        4,
        6,
        b"tag",
    )
    assert len(fill(2, 4, 4).reports) == 0, "it was counted"
    refused = fill(3, 4, 12).replies[0]
    assert (refused["outcome"], refused["reason"]) == (Outcome.REJECTED, Reason.INVALID_QUANTITY), "one is missing"
    (ended,) = fast.administer(seq + 20, 1, VenueEnd(order_id=name, outcome="canceled", reason="buying_power")).reports
    assert (ended["order_status"], ended["reason"]) == (OrderStatus.CANCELED, Reason.BUYING_POWER)
    (_, late) = fill(14, 3, 7).reports
    assert (late["order_status"], late["filled"], late["leaves"]) == (OrderStatus.CANCELED, 7, 0)
    (_, more) = fill(15, 4, 11).reports
    assert (more["order_status"], more["filled"], more["quantity"]) == (OrderStatus.FILLED, 11, 11)
    mine, theirs = fast.position(1, 1), fast.position(len(fast.accounts), 1)
    assert (mine.quantity, theirs.quantity) == (11, -11)
    assert mine.cash + theirs.cash == 0
    assert fast.drift() == 0


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "canceled in part"])
def test_a_bracket_lives_on_fills_from_elsewhere(cut: bool) -> None:
    """In an auction that is held for a venue: the exits enter when the entry is filled, or was canceled with a part
    filled and the venue's process says the phase again; what one exit trades the other loses."""
    fast, slow, seq = twins(max_orders=100)
    number = iter(range(seq, seq + 100))

    def both(batch: Batch) -> Any:
        got = answer(fast, batch)
        found = difference(got, answer(slow, batch), batch)
        assert found is None, found
        assert fast.drift() == 0
        return [
            (one["client_order_id"].decode(), ExecType(one["exec_type"]).wire, OrderStatus(one["order_status"]).wire,
             int(one["filled"]), int(one["leaves"]))
            for one in got.reports if one["account"] != OUT
        ]  # fmt: skip

    def tell(command: Any) -> Any:
        return both(Batch(next(number), 1, order_flow.records([]), command))

    def send(rows: list[dict[str, Any]]) -> tuple[int, Any]:
        first = next(number)
        for _ in rows[1:]:
            next(number)
        shared = {"ts_ns": 1, "account": 1, "instrument": 1, "source": 1, "source_partition": -1, "source_offset": -1}
        numbered = [{"seq": first + k, **shared, **row} for k, row in enumerate(rows)]
        return first, both(Batch(first, 1, order_flow.records(numbered)))

    def fill(order_id: int, lots: int, total: int) -> Any:
        return tell(VenueFill(order_id=str(order_id), venue="out", execution_id=f"x{order_id}:{total}",
                              quantity=Decimal(lots), price=Decimal("0.98"), filled_quantity=Decimal(total),
                              transact_ns=9))  # fmt: skip

    tell(DefineAccount(account="out"))
    tell(SetPhase(symbol="NARROW", phase="opening_auction", venue="out"))
    leg = {"type": 1, "time_in_force": 2, "quantity": 10, "flags": int(ListType.BRACKET) << LIST_SHIFT}
    buy, sell = {**leg, "side": 1}, {**leg, "side": 2}
    entry, entered = send(
        [
            {**buy, "order_type": 1, "client_order_id": b"entry"},
            {**sell, "order_type": 2, "limit_price": 105, "client_order_id": b"profit"},
            {**sell, "order_type": 3, "stop_price": 95, "client_order_id": b"stop"},
        ]
    )
    assert [row[2] for row in entered] == ["new", "pending_new", "pending_new"]
    assert fast.order_state(fast.find_order(entry + 2)).list_id == str(entry)
    assert fill(entry + 1, 1, 1) == [], "it waits: a fill of the entry is missing"
    assert fill(entry, 6, 6) == [("entry", "trade", "partially_filled", 6, 4)]
    if cut:
        _, ended = send([{"type": 2, "order_id": entry}])
        assert ended == [("entry", "canceled", "canceled", 6, 0)]
        released = tell(SetPhase(symbol="NARROW", phase="opening_auction", venue="out"))
    else:
        filled, *released = fill(entry, 4, 10)
        assert filled == ("entry", "trade", "filled", 10, 0)
    size = 6 if cut else 10
    assert released == [("profit", "triggered", "new", 0, size), ("stop", "triggered", "new", 0, size)]
    assert fill(entry + 1, 4, 4) == [
        ("profit", "trade", "partially_filled", 4, size - 4),
        ("stop", "restated", "new", 0, size - 4),
    ]
    assert fill(entry + 2, size - 4, size - 4) == [
        ("stop", "trade", "filled", size - 4, 0),
        ("profit", "canceled", "canceled", 4, 0),
    ]
    mine, theirs = fast.position(1, 1), fast.position(len(fast.accounts), 1)
    assert (mine.quantity, theirs.quantity, mine.cash + theirs.cash) == (0, 0, 0)


@pytest.mark.parametrize("time_in_force", ["ioc", "fok"])
def test_an_order_that_trades_at_once_waits_for_its_venue(time_in_force: str) -> None:
    """It is filled by the venue's word, or it expires, and is said to be what it is; a repeat is known."""
    fast, slow, seq = twins(max_orders=100)
    kind = int(TimeInForce.words()[time_in_force])
    number = iter(range(seq, seq + 100))

    def both(batch: Batch) -> Any:
        got = answer(fast, batch)
        found = difference(got, answer(slow, batch), batch)
        assert found is None, found
        return got

    def tell(command: Any, ts_ns: int = 1) -> Any:
        return both(Batch(next(number), ts_ns, order_flow.records([]), command))

    def enter(name: bytes, lots: int = 10, price: int = 100) -> Any:
        mine = next(number)
        fields = {
            **{"seq": mine, "ts_ns": 7, "type": 1, "account": 1, "instrument": 1, "side": 1, "order_type": 2},
            **{"time_in_force": kind, "quantity": lots, "limit_price": price, "client_order_id": name},
            **{"source": 1, "source_partition": -1, "source_offset": -1},
        }
        return both(Batch(mine, 7, order_flow.records([fields])))

    def fill(order_id: int, lots: int, total: int) -> Any:
        price, quantity = Decimal("0.98"), Decimal(lots)
        return tell(VenueFill(order_id=str(order_id), venue="out", execution_id=f"x{total}", quantity=quantity,
                              price=price, filled_quantity=Decimal(total)))  # fmt: skip

    tell(DefineAccount(account="out"))
    tell(SetPhase(symbol="NARROW", phase="opening_auction"))
    assert enter(b"early").replies["reason"][0] == Reason.TRADING_PHASE, "of an auction that is held for no venue"
    tell(SetPhase(symbol="NARROW", phase="opening_auction", venue="out"))
    assert tell(SetPhase(symbol="NARROW", phase="closed", venue="out")).replies["reason"][0] == Reason.INVALID_FIELD
    first = enter(b"one")
    assert (first.replies["outcome"][0], first.replies["leaves"][0]) == (Outcome.ACCEPTED, 10)
    assert first.reports[["time_in_force", "expires_ns"]].tolist() == [(kind, 0)]
    repeat = enter(b"one")
    assert (repeat.replies["outcome"][0], repeat.replies["order_id"][0]) == (Outcome.DUPLICATE, first.replies["seq"][0])
    assert enter(b"one", lots=11).replies["reason"][0] == Reason.DUPLICATE_CLIENT_ORDER_ID
    (_, own) = fill(int(first.replies["order_id"][0]), 4, 4).reports
    assert (own["time_in_force"], own["leaves"], own["expires_ns"]) == (kind, 6, 0)
    assert len(tell(Timer(), immediate.WAITS_NS + 6).reports) == 0
    (gone,) = tell(Timer(), immediate.WAITS_NS + 7).reports
    assert (gone["exec_type"], gone["time_in_force"], gone["filled"]) == (ExecType.EXPIRED, kind, 4)
    (_, late) = fill(int(first.replies["order_id"][0]), 6, 10).reports
    assert (late["order_status"], late["time_in_force"]) == (OrderStatus.FILLED, kind)
    assert enter(b"dear", price=1000).replies["reason"][0] == Reason.PRICE_BAND
    copy = Core(max_orders=100)
    copy.instruments.put(fast.instruments.by_number(1))
    assert copy.instruments.at_venues == {1}, "as after a snapshot"
    # Back to trading here: what still waits ends as what it was, and the next trades at once or not at all.
    enter(b"two")
    assert tell(SetPhase(symbol="NARROW", phase="continuous")).reports.size == 0
    assert {one["time_in_force"] for one in tell(Timer(), immediate.WAITS_NS + 99).reports} == {kind}
    assert enter(b"three").reports["order_status"].tolist() == [OrderStatus.NEW, OrderStatus.CANCELED]
    assert fast.drift() == 0
