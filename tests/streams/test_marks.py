"""What positions are valued at, and when an account has news."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from engine import messages
from engine.units import Scale
from streams import ledger, records
from streams.agents.pnl import is_behind, is_news
from streams.marks import Close, LastTrade, Market, TopOfBook, mark
from streams.records import Price

CENT = Scale(Decimal("0.01"), Decimal(1))
HOLDING = ledger.apply(ledger.FLAT, ledger.Execution(5, 1, 10, 10_000, 0, 50), CENT.money_per_tick_lot)
HELD = records.position("alice", "AAPL", HOLDING, CENT, [], 0)
BOTH = TopOfBook("100.00", "100.01", 9, 90)
NO_BID = TopOfBook(None, "100.01", 9, 90)
NO_ASK = TopOfBook("100.00", None, 9, 90)
LOCKED = TopOfBook("100.00", "100.00", 9, 90)
CROSSED = TopOfBook("2000.00", "100.00", 9, 90)
NEWER = LastTrade("101.00", 7, 1, 70)
SAME = LastTrade("101.00", 5, 3, 50)
OLDER = LastTrade("101.00", 4, 1, 40)

CASES = [
    (BOTH, NEWER, Price(20_001, "mid", 9, 90)),
    (NO_BID, NEWER, Price(20_200, "last", 7, 70)),
    (NO_ASK, SAME, Price(20_200, "last", 5, 50)),
    (LOCKED, NEWER, Price(20_200, "last", 7, 70)),
    (CROSSED, SAME, Price(20_200, "last", 5, 50)),
    (None, NEWER, Price(20_200, "last", 7, 70)),
    (None, OLDER, Price(20_000, "last", 5, 50)),
    (NO_BID, None, Price(20_000, "last", 5, 50)),
]


@pytest.mark.parametrize(("book", "trade", "price"), CASES)
def test_the_mark_is_the_middle_else_the_last_trade(
    book: TopOfBook | None, trade: LastTrade | None, price: Price
) -> None:
    assert mark("mid", Market(book, trade), HELD, True, CENT) == price


CLOSED = Close("99.00", 6, 0)
BY_SETTING = [
    ("last", Market(BOTH, NEWER, CLOSED), Price(20_200, "last", 7, 70)),
    ("closing", Market(BOTH, NEWER, CLOSED), Price(19_800, "closing", 6, 0)),
    ("closing", Market(BOTH, NEWER, Close(None, 0, 0)), Price(20_200, "last", 7, 70)),
    ("mid", Market(BOTH, NEWER, CLOSED), Price(20_001, "mid", 9, 90)),
]


@pytest.mark.parametrize(("kind", "market", "price"), BY_SETTING)
def test_the_mark_is_what_the_setting_says(kind: str, market: Market, price: Price) -> None:
    assert mark(kind, market, HELD, True, CENT) == price


ACTED = msgspec.structs.replace(HELD, quantity="20", last_price="50.00", last_seq=8, last_index=0, action_seq=8)
"""After a two-for-one, of command 8."""
BOOK_AFTER = TopOfBook("50.10", "50.20", 9, 90, action_seq=8)
TRADE_AFTER = LastTrade("50.50", 10, 1, 100, action_seq=8)
AROUND_A_SPLIT = [
    # a position of before knows no price of after: it waits
    ("mid", Market(BOOK_AFTER, NEWER), HELD, True, None),
    ("mid", Market(BOTH, TRADE_AFTER), HELD, True, None),
    ("last", Market(BOTH, NEWER, Close("99.00", 6, 8)), HELD, True, None),
    # one of after does not take prices of before
    ("mid", Market(BOTH, NEWER), ACTED, True, Price(10_000, "adjusted", 8, 50)),
    ("closing", Market(BOTH, NEWER, Close("99.00", 6, 8)), ACTED, True, Price(10_000, "adjusted", 8, 50)),
    ("mid", Market(BOOK_AFTER, NEWER), ACTED, True, Price(10_030, "mid", 9, 90)),
    ("last", Market(BOOK_AFTER, TRADE_AFTER), ACTED, True, Price(10_100, "last", 10, 100)),
    # where nothing is held any price does
    ("mid", Market(BOOK_AFTER, NEWER), HELD, False, Price(10_030, "mid", 9, 90)),
]


@pytest.mark.parametrize(("kind", "market", "held", "holds", "price"), AROUND_A_SPLIT)
def test_prices_and_positions_have_seen_the_same_corporate_actions(
    kind: str, market: Market, held: messages.Position, holds: bool, price: Price | None
) -> None:
    assert mark(kind, market, held, holds, CENT) == price


def test_a_price_that_is_no_tick_is_refused() -> None:
    with pytest.raises(ValueError, match="not a multiple"):
        mark("mid", Market(TopOfBook("100.00", "100.005", 9, 90)), HELD, True, CENT)


ACCOUNT = messages.Account(account="alice", account_id=1, currency="USD", deposits="1000.00", seq=2, ts_ns=2)


def record(held: messages.Position = HELD, price: Price = CASES[0][2], **account: Any) -> messages.Pnl:
    reference = msgspec.structs.replace(ACCOUNT, **account)
    exchange = records.Exchange("USD", {}, {})
    return records.pnl(reference, None, {"AAPL": held}, {}, {"AAPL": (price, CENT)}, exchange)


FLAT = msgspec.structs.replace(HELD, quantity="0", cost="0.00", average_price=None)


@pytest.mark.parametrize(
    ("last", "now", "news"),
    [
        (None, record(), True),
        (record(), record(), False),
        (record(), record(deposits="2000.00"), True),
        (record(), record(price=Price(20_003, "mid", 10, 90)), True),
        (record(), record(price=Price(20_001, "mid", 10, 99)), False),
        (record(), record(held=msgspec.structs.replace(HELD, last_seq=6)), True),
        (record(), record(held=msgspec.structs.replace(HELD, cost="1.23")), True),
        (record(held=FLAT), record(held=FLAT, price=Price(20_003, "mid", 10, 90)), False),
    ],
)
def test_an_account_is_published_when_it_has_news(last: messages.Pnl | None, now: messages.Pnl, news: bool) -> None:
    assert is_news(last, now) is news


def test_an_account_waits_for_the_fills_that_its_last_record_had() -> None:
    later = msgspec.structs.replace(HELD, last_index=2)
    assert is_behind({"AAPL": HELD}, record(held=later))
    assert is_behind({}, record())
    assert not is_behind({"AAPL": HELD}, record())
    assert not is_behind({"AAPL": later}, record())
