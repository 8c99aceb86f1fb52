"""Orders routed to Alpaca: the real engine, publisher and Kafka, and Alpaca's own client against a server that speaks
its protocol and fails on demand."""

from __future__ import annotations

import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.messages import (
    Alert,
    Cancel,
    OrderEvent,
    OrderList,
    Replace,
    SequencedCommand,
)
from engine.topics import ALERTS, COMMANDS, ORDER_EVENTS
from streams.backtest import bars
from streams.backtest.bar_data import series
from streams.backtest.seats import Entrant
from streams.strategies.breakout import Breakout
from streams.strategies.events import Bar, order_update
from streams.strategies.running import Running
from streams.strategies.strategy import parameters
from tests.engine.test_publisher import flat, read_all
from tests.streams.backtest.bar_tables import DAY_NS, table
from tests.streams.feeds.alpaca_play import play
from tests.streams.feeds.alpaca_server import alpaca, quote, streamed, trade
from tests.streams.venues.house import INSTRUMENT, House, wait_for

pytestmark = pytest.mark.integration
ENTRY: dict[str, Any] = {"side": "buy", "order_type": "limit", "limit_price": Decimal("100.00")}
PROFIT: dict[str, Any] = {"side": "sell", "order_type": "limit", "limit_price": Decimal("110.00")}
STOP: dict[str, Any] = {"side": "sell", "order_type": "stop", "stop_price": Decimal("95.00")}


def test_an_order_is_filled_there_and_booked_here(house: House) -> None:
    with house.routed():
        name = house.order(10, "101.00", strategy="mine")
        there = house.there(name)
        assert (there["symbol"], there["side"], there["qty"], there["limit_price"]) == (
            house.symbol,
            "buy",
            "10",
            "101",
        )
        house.server.fill(there, 4, "100.505", twice=True)
        house.stands(name, "partially_filled", 4)
        house.server.fill(there, 6, "100.50")
        house.stands(name, "filled", 10)
        house.agrees()
        # 4 at 100.505 are 4 at 100.51 and two cents back.
        assert house.position(house.account) == ("10", "-1005.04", "-0.02")
        assert house.position(house.venue) == ("-10", "1005.04", "0.02")
    fills = house.fills(4)
    mine = [one for one in fills if one.account == house.account]
    assert [(one.quantity, one.price, Decimal(one.fee), one.strategy) for one in mine] == [
        ("4", "100.51", Decimal("-0.02"), "mine"),
        ("6", "100.50", Decimal(0), "mine"),
    ]
    names = [one.client_order_id for one in fills if one.account == house.venue]
    assert names == [f"{there['id']}:4", f"{there['id']}:10"]


def test_what_is_filled_while_the_stream_is_away_comes_by_rest_once(house: House) -> None:
    with house.routed():
        name = house.order(10)
        there = house.there(name)
        house.server.fill(there, 1, "100.00")
        house.stands(name, "partially_filled", 1)
        house.server.mute = True
        house.server.drop()
        house.server.fill(there, 2, "100.10")
        house.server.fill(there, 3, "100.20")
        house.server.mute = False
        house.stands(name, "partially_filled", 6)
        # The stream says again what REST has told, then goes on.
        house.server.say("partial_fill", {**there, "filled_qty": "6"}, price="100.20", qty="3")
        wait_for(lambda: house.server.logins >= 2)
        house.server.fill(there, 4, "100.30")
        house.stands(name, "filled", 10)
        house.agrees()
    mine = [one for one in house.fills(8) if one.account == house.account]
    assert [(one.quantity, one.price) for one in mine] == [
        ("1", "100.00"),
        ("2", "100.10"),
        ("3", "100.20"),
        ("4", "100.30"),
    ]


def test_requests_that_fail_are_made_once_all_the_same(house: House) -> None:
    """A 429 is waited out by the client; of an answer that is lost the order is found by its name."""
    with house.routed():
        house.server.fail_next = [429]
        name = house.order(3)
        house.server.fill(house.there(name), 3, "100")
        house.stands(name, "filled", 3)
        house.server.lose_answers = 1
        name = house.order(2)
        house.server.fill(house.there(name), 2, "100")
        house.stands(name, "filled", 2)
        assert len(house.server.orders) == 2
        house.agrees()


def test_what_alpaca_refuses_is_canceled_with_the_reason(house: House) -> None:
    with house.routed():
        house.server.refuse_next = [(403, "insufficient buying power"), (422, "market is closed")]
        for more in ({}, {}, {"display_quantity": Decimal(1)}):
            house.stands(house.order(5, **more), "canceled")
        assert house.server.orders == {}
        house.agrees()

    def reasons() -> list[str | None]:
        events = house.published(ORDER_EVENTS, OrderEvent)
        return [one.reason for one in events if one.exec_type == "canceled"]

    wait_for(lambda: len(reasons()) == 3)
    assert reasons() == ["buying_power", "market_closed", "unsupported"]
    commands = flat(read_all(house.exchange.bootstrap, COMMANDS.name, SequencedCommand))
    said = [one.command["text"] for one in commands if one.type == "venue_end"]
    assert "Alpaca: insufficient buying power" in said


def test_orders_that_trade_at_once_do_so_there(house: House) -> None:
    """They wait for Alpaca's word, and end as they would have here; a `gtd` order is taken back there when it ends."""
    with house.routed():
        name = house.order(10, time_in_force="ioc")
        there = house.there(name)
        assert there["time_in_force"] == "ioc"
        house.server.fill(there, 4, "100.00")
        house.server.move(there, "canceled")
        house.stands(name, "canceled", 4)
        name = house.order(3, None, time_in_force="fok")
        house.server.move(house.there(name), "expired")
        house.stands(name, "canceled")
        name = house.order(2, None, time_in_force="ioc")
        house.server.fill(house.there(name), 2, "100.00")
        house.stands(name, "filled", 2)
        name = house.order(5, time_in_force="gtd", expires_ns=time.time_ns() + 3 * 10**9)
        there = house.there(name)
        assert there["time_in_force"] == "gtc"
        house.stands(name, "expired")
        wait_for(lambda: there["status"] == "canceled")
        house.agrees()
        assert house.position(house.account)[0] == "6"
    events = house.published(ORDER_EVENTS, OrderEvent)
    ends = [(one.time_in_force, one.reason) for one in events if one.exec_type == "canceled"]
    assert ends == [("ioc", "no_liquidity"), ("fok", "no_liquidity")]


def test_a_cancel_here_is_a_request_there(house: House) -> None:
    """What is filled before Alpaca takes it is the order's too."""
    with house.routed():
        house.server.holds_cancels = True
        name = house.order(10)
        there = house.there(name)
        cancel = Cancel(account=house.account, symbol=house.symbol, client_order_id=name)
        assert house.exchange.client.submit([cancel])[0].reason is None
        wait_for(lambda: there["status"] == "pending_cancel")
        house.server.fill(there, 4, "100.00")
        house.stands(name, "canceled", 4)
        house.server.move(there, "canceled")
        expiring = house.order(7)
        house.server.move(house.there(expiring), "expired")
        house.stands(expiring, "expired")
        house.agrees()
        assert house.position(house.account)[0] == "4"


def test_a_replace_reaches_alpaca_or_is_put_back(house: House) -> None:
    with house.routed():
        name = house.order(10, "100.00")
        house.there(name)
        replace = Replace(
            account=house.account, symbol=house.symbol, client_order_id=name, limit_price=Decimal("100.50")
        )
        assert house.exchange.client.submit([replace])[0].reason is None
        second = house.there(name, 1)
        assert (second["limit_price"], second["qty"]) == ("100.5", "10")
        house.server.refuse_next = [(422, "too late")]
        worse = msgspec.structs.replace(replace, limit_price=Decimal("101.00"))
        assert house.exchange.client.submit([worse])[0].reason is None
        wait_for(lambda: not house.server.refuse_next)
        wait_for(lambda: house.state(name).limit_price == "100.50")
        # Partly filled it is canceled there and what is left is entered anew: 4 of 8, in all never more than 8.
        house.server.fill(second, 4, "100.40")
        house.stands(name, "partially_filled", 4)
        less = Replace(account=house.account, symbol=house.symbol, client_order_id=name, quantity=Decimal(8))
        assert house.exchange.client.submit([less])[0].reason is None
        third = house.there(name, 2)
        assert third["qty"] == "4"
        house.server.fill(third, 4, "100.50")
        house.stands(name, "filled", 8)
        house.agrees()


def test_what_happens_after_the_process_was_killed(house: House, tmp_path: Path) -> None:
    """The next one finds its orders again by their names, books what they have had, once, and takes back what ended
    here. Alpaca holds the exits of a bracket meanwhile; they are found by their entry's name."""
    with house.killed(tmp_path / "instruments.toml"):
        first, second = house.order(5), house.order(6)
        one, two = house.there(first), house.there(second)
        house.server.fill(one, 2, "100.00")
        house.stands(first, "partially_filled", 2)
        house.server.lose_answers = 1
        entry, profit, stop = house.listed("bracket", ENTRY, PROFIT, STOP)
        parent = house.there(entry)
        house.server.fill(parent, 6, "100.00")
        house.stands(entry, "partially_filled", 6)
    house.server.fill(one, 3, "100.10")
    house.server.fill(two, 1, "100.20")
    house.server.fill(parent, 4, "100.10")
    house.server.fill(house.exits_of(parent)[0], 1, "110.00")
    house.cancel(second)
    third = house.order(1, None, time_in_force="opg")
    with house.routed():
        house.stands(first, "filled", 5)
        house.stands(second, "canceled", 1)
        house.stands(entry, "filled", 10)
        house.stands(profit, "partially_filled", 1)
        wait_for(lambda: two["status"] == "canceled")
        house.server.fill(house.there(third), 1, "100")
        house.stands(third, "filled", 1)
        house.agrees()
        house.server.mute = True
        house.server.stop_out(house.exits_of(parent)[1], "94.90")
        house.server.mute = False
        house.server.drop()
        house.stands(stop, "filled", 9)
        house.stands(profit, "canceled", 1)
        house.agrees()
        assert house.position(house.account)[0] == "7"
    house.fills(16)


def test_a_difference_is_told_and_its_end(house: House) -> None:
    with house.routed():
        house.agrees()
        house.server.holdings[house.symbol] = Decimal(5)
        house.server.cash -= 500

        def told(raised: bool) -> bool:
            alerts = flat(read_all(house.exchange.bootstrap, ALERTS.name, Alert))
            mine = [one for one in alerts if one.account == house.venue and one.raised == raised]
            return {one.text for one in mine} >= {
                f"{'' if raised else 'over: '}{house.symbol}: 5 there, 0 by our fills",
                f"{'' if raised else 'over: '}cash: 99500 there, 100000.00 by our fills and deposits",
            }

        wait_for(lambda: told(True))
        house.server.holdings.clear()
        house.server.cash += 500
        wait_for(lambda: told(False))
        house.agrees()


@pytest.mark.parametrize("heard", [True, False], ids=["heard", "found"])
def test_a_bracket_is_alpacas_own_and_its_legs_are_ours(house: House, heard: bool) -> None:
    """Entry in parts, an exit in part, prices changed, the rest stopped out; Alpaca names the exits, and gives the
    stop-loss another order when it trades, of which it says that it has replaced both. Where the stream is away
    meanwhile the orders are found by REST."""
    with house.routed():
        entry, profit, stop = names = house.listed("bracket", ENTRY, PROFIT, STOP)
        there = house.there(entry)
        assert (there["order_class"], there["qty"]) == ("bracket", "10")
        assert [(one["type"], one["status"]) for one in house.exits_of(there)] == [("limit", "held"), ("stop", "held")]
        house.server.fill(there, 4, "100.00")
        house.stands(entry, "partially_filled", 4)
        assert [house.state(name).order_status for name in names[1:]] == ["pending_new", "pending_new"]
        house.server.fill(there, 6, "100.00")
        for name in names[1:]:
            house.stands(name, "new")
        house.change(profit, limit_price=Decimal("109.00"))
        house.change(stop, stop_price=Decimal("96.00"))
        assert (house.there(profit, 1)["limit_price"], house.there(stop, 1)["stop_price"]) == ("109", "96")
        house.agrees()
        house.server.fill(house.there(profit, 1), 3, "109.00")
        house.stands(profit, "partially_filled", 3)
        wait_for(lambda: house.state(stop).leaves_quantity == "7")
        there = house.there(stop, 1)
        house.server.mute = not heard
        if not heard:
            house.server.drop()
        house.server.stop_out(there, "95.90")
        house.server.mute = False
        house.stands(stop, "filled", 7)
        house.stands(profit, "canceled", 3)
        house.agrees()
        assert house.position(house.account) == ("0", "-1.70", "0.00")
    assert len(house.server.groups) == 1, "nothing was entered anew"


def test_lists_that_end_by_a_cancel_a_fill_or_a_refusal(house: House) -> None:
    with house.routed():
        house.server.refuse_next = [(422, "stop price must be below the entry")]
        for name in house.listed("bracket", ENTRY, PROFIT, STOP):
            house.stands(name, "canceled")
        # Canceled with a part filled: the exits go on for that part, as a pair of their own.
        entry, profit, stop = house.listed("bracket", ENTRY, PROFIT, STOP)
        house.server.fill(house.there(entry), 4, "100.00")
        house.stands(entry, "partially_filled", 4)
        house.cancel(entry)
        pair = house.there(profit, 1)
        assert (pair["order_class"], pair["qty"], house.there(entry)["status"]) == ("oco", "4", "canceled")
        house.stands(stop, "new")
        house.agrees()
        # The take-profit trades, and Alpaca's stream has no word of the stop-loss.
        house.server.fill(pair, 4, "110.00")
        house.stands(profit, "filled", 4)
        house.stands(stop, "canceled")
        # One that has nothing filled takes its exits along, by one request.
        entry, _, stop = house.listed("bracket", ENTRY, PROFIT, STOP)
        there = house.there(entry)
        house.cancel(entry)
        wait_for(lambda: [one["status"] for one in house.exits_of(there)] == ["canceled", "canceled"])
        house.stands(stop, "canceled")
        # An oto, and an exit that somebody cancels at Alpaca.
        entry, stop = house.listed("oto", {**ENTRY, "order_type": "market", "limit_price": None}, STOP)
        there = house.there(entry)
        house.server.fill(there, 10, "100.00")
        house.stands(stop, "new")
        house.server._cancel(house.exits_of(there)[0])
        house.stands(stop, "canceled")
        pair = house.there(house.listed("oco", STOP, PROFIT)[1])
        house.server.stop_out(house.exits_of(pair)[0], "95.00")
        house.agrees()
        assert house.position(house.account) == ("0", "-10.00", "0.00")


def test_the_shipped_breakout_does_at_alpaca_what_it_does_in_a_backtest(house: House) -> None:
    """On the same bars and fills: the same orders, and the same becomes of them."""
    quiet = [(100.0, 101.0, 99.0, 100.0)] * 10
    rows = [*quiet, (100, 103, 100, 102.5), (103, 104, 102, 103), (104, 120, 103, 118), (118, 119, 117, 118)]
    chosen = parameters(Breakout, {"symbol": house.symbol, "length": 5, "quantity": 10})
    data, unit = series(table(rows), house.symbol, tick_size=Decimal("0.01"))
    tested = bars.run([data], {house.symbol: unit}, [Entrant(Breakout, chosen, "test")], bars.Plan())
    live = Running(
        Breakout, chosen, account=house.account, tag="test", instruments={house.symbol: unit}, cash=Decimal(10**6)
    )
    seen = 0
    with house.routed():
        for number, row in enumerate(rows, 1):
            for fill in tested.fills.filter(tested.fills["ts_ns"] == number * DAY_NS).to_dicts():
                name = fill["client_order_id"]
                entry = house.there(f"{name[:-1]}1")
                group = [entry, *house.exits_of(entry)]
                house.server.fill(group[int(name[-1]) - 1], int(fill["quantity"]), str(fill["price"]))
                house.stands(name, "filled", 10)
                reports: list[OrderEvent] = []

                def told(name: str = name, reports: list[OrderEvent] = reports) -> bool:
                    reports[:] = [
                        one for one in house.published(ORDER_EVENTS, OrderEvent) if one.account != house.venue
                    ]
                    ends = [one.seq for one in reports if one.client_order_id == name and one.exec_type == "trade"]
                    return bool(ends) and len([one for one in reports if one.seq == ends[0]]) > 1

                wait_for(told)
                for report in reports[seen:]:
                    assert live.deliver(order_update(report)) == []
                seen = len(reports)
            commands = live.deliver(Bar(house.symbol, number * DAY_NS, *map(float, row)))
            assert all(isinstance(one, OrderList) for one in commands)
            assert all(reply.reason is None for reply in house.exchange.client.submit(commands))
        house.agrees()
    last = {one.client_order_id: one for one in house.published(ORDER_EVENTS, OrderEvent) if one.account != house.venue}
    columns = ("side", "order_type", "time_in_force", "status", "reason")
    numbers = ("quantity", "limit_price", "stop_price", "filled_quantity", "average_price")
    orders = {one["client_order_id"]: one for one in tested.orders.to_dicts()}
    assert len(orders) == 6
    assert last.keys() == orders.keys()
    for name, wanted in orders.items():
        found = {**msgspec.structs.asdict(last[name]), "status": last[name].order_status}
        assert [found[column] for column in columns] == [wanted[column] for column in columns], name
        for column in numbers:
            assert (None if found[column] is None else float(found[column])) == wanted[column], (name, column)


def test_a_fill_that_is_taken_back_or_changed_there(house: House) -> None:
    """What makes it good is traded here once, though it is said twice; the account there and the books agree after it,
    and an operator is told."""
    with house.routed():
        done, partly = house.order(4), house.order(10, strategy="mine")
        there, open_there = house.there(done), house.there(partly)
        bad = house.server.fill(there, 4, "100.505")
        changed = house.server.fill(open_there, 6, "100.50")
        house.stands(done, "filled", 4)
        house.stands(partly, "partially_filled", 6)
        house.server.correct(there, bad, 4, "100.505", now_price=None)
        house.server.say(
            "trade_bust", there, price="100.505", qty="-4", execution_id="again", previous_execution_id=bad
        )
        house.server.correct(open_there, changed, 6, "100.50", now_price="100.25")
        # What is left of the order that still worked is entered anew, and fills.
        rest = house.there(partly, 1)
        assert (open_there["status"], rest["qty"]) == ("canceled", "4")
        house.server.fill(rest, 4, "100.00")
        house.stands(partly, "filled", 10)
        house.agrees()
        assert house.position(house.account) == ("10", "-1001.54", "-0.04")
        wait_for(lambda: len(house.told("trade_")) == 3)
    with house.routed():
        house.agrees()
    mine = [one for one in house.fills(12) if one.account == house.account]
    assert [(one.client_order_id.split("-")[0], one.side, one.quantity, one.price) for one in mine[2:5]] == [
        ("bust", "sell", "4", "100.50"),
        ("bust", "sell", "6", "100.50"),
        ("fix", "buy", "6", "100.25"),
    ]
    assert [one.strategy for one in mine[2:5]] == [None, "mine", "mine"]


def test_a_change_of_a_fill_that_nobody_knows_is_told(house: House) -> None:
    with house.routed():
        name = house.order(4)
        there = house.there(name)
        house.server.fill(there, 4, "100.50")
        house.stands(name, "filled", 4)
        house.server.correct(there, "unheard-of", 4, "100.50", now_price="100.25")
        wait_for(lambda: len(house.told("order ")) == 1)
        assert house.position(house.account)[1] == "-402.00"
        wait_for(lambda: house.told("cash: 99599"))


def test_what_alpaca_says_besides_changes_nothing(house: House) -> None:
    """Each status in which an order stands, its message included, on the way of one order; then it is filled."""
    quiet = [
        *("accepted", "pending_new", "new", "held", "accepted_for_bidding", "suspended", "stopped", "calculated"),
        *("pending_cancel", "pending_replace", "done_for_day", "pending_review"),
    ]
    with house.routed():
        name = house.order(len(quiet) + 1)
        there = house.there(name)
        for number, status in enumerate(quiet, 1):
            house.server.move(there, status, "new" if status == "pending_review" else status)
            house.stands(name, "partially_filled" if number > 1 else "new", number - 1)
            house.server.fill(there, 1, "100.00")
            house.stands(name, "partially_filled", number)
        house.server.fill(there, 1, "100.00")
        house.stands(name, "filled", len(quiet) + 1)
        house.agrees()
        assert len(house.server.orders) == 1, "nothing was asked of it"


def test_a_change_or_a_cancel_that_alpaca_takes_and_then_refuses(house: House) -> None:
    """`order_replace_rejected`: the order here gets back its terms. `order_cancel_rejected`: it is over here, so that
    it is canceled there again."""
    with house.routed():
        house.server.holds_replaces = house.server.holds_cancels = True
        name = house.order(10, "100.00")
        there = house.there(name)
        replace = Replace(
            account=house.account, symbol=house.symbol, client_order_id=name, limit_price=Decimal("100.50")
        )
        assert house.exchange.client.submit([replace])[0].reason is None
        second = house.there(name, 1)
        wait_for(lambda: house.state(name).limit_price == "100.50")
        house.server.move(second, "rejected")
        house.server.move(there, "new", "order_replace_rejected", reason="TOO_LATE_TO_CANCEL")
        wait_for(lambda: house.state(name).limit_price == "100.00")
        house.stands(name, "new")
        cancel = Cancel(account=house.account, symbol=house.symbol, client_order_id=name)
        assert house.exchange.client.submit([cancel])[0].reason is None
        wait_for(lambda: there["status"] == "pending_cancel")
        house.server.holds_cancels = False
        house.server.move(there, "new", "order_cancel_rejected", reason="TOO_LATE_TO_CANCEL")
        wait_for(lambda: there["status"] == "canceled")
        house.stands(name, "canceled")
        house.agrees()


def test_market_data_and_venue_of_alpaca_together(house: House, tmp_path: Path) -> None:
    """Its quotes stand in the book beside an order that reaches through them, and nothing trades here: the order waits
    for its fill there. Prints are on the tape."""
    (tmp_path / "instruments.toml").write_text(INSTRUMENT.format(house.symbol))
    client = house.exchange.client
    with alpaca() as market, house.routed():

        def story() -> None:
            wait_for(lambda: market.logins == 1)
            name = house.order(10, "101.00")
            there = house.there(name)
            for cents in (1, 5):
                bid, ask = 100 + cents / 100, 100 + (cents + 2) / 100
                market.send(quote(house.symbol, bid, 200, ask, 300))
                wait_for(lambda ask=ask: client.depth(house.symbol, 1).asks[:1] == [(f"{ask:.2f}", "300", 1)])
            now = time.time_ns()
            market.send(streamed(house.symbol, trade(1, 100.06, 40, now), now))
            wait_for(lambda: [one.price for one in client.trades(house.symbol).trades] == ["100.06"])
            assert house.state(name).filled_quantity == "0"
            house.server.fill(there, 10, "100.06")
            house.stands(name, "filled", 10)
            # As a strategy's `desk.buy` sends it.
            name = house.order(1, None, time_in_force="gtc")
            there = house.there(name)
            assert (there["type"], there["time_in_force"]) == ("market", "gtc")
            house.server.fill(there, 1, "100.07")
            house.stands(name, "filled", 1)
            assert house.position("alpaca") == ("0", "0", "0")
            house.agrees()

        play(house.exchange.address, market, tmp_path / "instruments.toml", story, symbols=[house.symbol])
    assert {one.account for one in house.fills(4)} == {house.account, house.venue}
