"""Alpaca's market data on the real engine, by Alpaca's own client, from a server that speaks its protocol."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgpack
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from engine.client import Client
from engine.messages import Cancel, DefineAccount, NewOrder
from infra import alpaca_keys
from infra.commands import hft
from infra.errors import OperatorError
from streams.feeds.alpaca import driver, messages
from streams.feeds.alpaca.bars import bars
from streams.feeds.alpaca.messages import MessageError, Quote, Trade
from streams.feeds.alpaca.mirror import Mirror
from streams.feeds.alpaca.source import Keys, SourceError, State, newest_quotes
from streams.feeds.alpaca.tape import Tape
from streams.strategies.instrument import Listed
from tests.engine.doors import AAPL, free_address, open_engine, token
from tests.streams.feeds.alpaca_play import play
from tests.streams.feeds.alpaca_server import KEY, SECRET, alpaca, quote, streamed, trade

INSTRUMENTS = """
[AAPL]
tick_size = "0.01"
lot_size = "1"
price_min = "1.00"
price_max = "2000.00"
"""
UNIT = Listed("AAPL", Decimal("0.01"), Decimal(1))
LIMIT_S = 60.0
LOGGERS = ("streams", "alpaca", "websockets.client", "urllib3")


def wait_for(condition: Callable[[], Any]) -> Any:
    end = time.monotonic() + LIMIT_S
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)
    return found


# ---------------------------------------------------------------------------------------------------- pure parts


def test_raw_messages() -> None:
    stamp = msgpack.Timestamp.from_unix_nano(1_700_000_000_123_456_789)
    raw = {"T": "q", "S": "AAPL", "bp": 1.5, "bs": 2, "ap": 0, "as": 0, "t": stamp}
    assert messages.quote(raw) == Quote("AAPL", 1_700_000_000_123_456_789, 1.5, 2.0, 0.0, 0.0)
    row = {"t": "2023-11-14T22:13:20.5Z", "x": "V", "p": 3, "s": 10, "i": 7}
    assert messages.trade(row, "AAPL") == Trade("AAPL", 1_700_000_000_500_000_000, 3.0, 10.0, "V", 7)


@pytest.mark.parametrize(
    ("change", "field"),
    [({"p": 0}, "p"), ({"s": -1}, "s"), ({"p": float("nan")}, "p"), ({"p": "3"}, "p"), ({"t": "yesterday"}, "t"),
     ({"t": "2023-13-14T22:13:20Z"}, "t"), ({"i": "7"}, "i"), ({"S": ""}, "S"), ({"p": True}, "p")],
)  # fmt: skip
def test_what_is_wrong_with_a_message_is_named(change: dict[str, Any], field: str) -> None:
    row = {"S": "AAPL", "t": "2023-11-14T22:13:20Z", "x": "V", "p": 3, "s": 10, "i": 7, **change}
    with pytest.raises(MessageError, match=rf"^{field}\b"):
        messages.trade(row)


SIDE = st.tuples(st.integers(0, 40), st.integers(0, 3))


@given(st.lists(st.tuples(SIDE, SIDE), max_size=30))
def test_the_mirror_stands_where_the_last_quote_is(quotes: list[tuple[tuple[int, int], tuple[int, int]]]) -> None:
    """One order a side at most, never crossing each other at any moment."""
    mirror = Mirror("alpaca", "tag", {"AAPL": UNIT})
    book: dict[str, NewOrder] = {}
    shown: dict[str, tuple[Decimal, Decimal] | None] = {"buy": None, "sell": None}
    for (bid, bid_size), (ask, ask_size) in quotes:
        for command in mirror.follow(Quote("AAPL", 1, bid / 100, bid_size, ask / 100, ask_size)):
            if isinstance(command, Cancel):
                del book[str(command.client_order_id)]
            else:
                assert isinstance(command, NewOrder)
                assert command.client_order_id not in book
                book[str(command.client_order_id)] = command
            prices = {one.side: one.limit_price or Decimal(0) for one in book.values()}
            assert len(prices) == len(book)
            assert prices.get("buy", Decimal(0)) < prices.get("sell", Decimal(1000))
        if not (bid and bid_size and ask and ask_size and bid >= ask):
            shown["buy"] = (Decimal(bid) / 100, Decimal(bid_size)) if bid and bid_size else None
            shown["sell"] = (Decimal(ask) / 100, Decimal(ask_size)) if ask and ask_size else None
        stand = {one.side: (one.limit_price, one.quantity) for one in book.values()}
        assert stand == {side: level for side, level in shown.items() if level is not None}
    assert {one.client_order_id for one in mirror.withdraw() if isinstance(one, Cancel)} == set(book)


def test_prices_between_ticks_are_never_better_than_quoted() -> None:
    orders = Mirror("alpaca", "tag", {"AAPL": UNIT}).follow(Quote("AAPL", 1, 10.0178, 5.9, 10.0212, 7))
    assert [(one.side, one.limit_price, one.quantity) for one in orders if isinstance(one, NewOrder)] == [
        ("buy", Decimal("10.01"), 5),
        ("sell", Decimal("10.03"), 7),
    ]


def test_trades_that_come_twice_are_there_once() -> None:
    tape = Tape()
    one, two = Trade("AAPL", 5, 1.0, 1.0, "V", 1), Trade("AAPL", 3, 1.0, 1.0, "Q", 1)
    assert tape.is_new(one)
    tape.note(one)
    assert (tape.is_new(one), tape.is_new(two)) == (False, True)
    tape.note(two)
    assert not tape.is_new(two)
    assert (tape.last_ns("AAPL"), tape.last_ns("MSFT")) == (5, None)


def test_only_quotes_are_skipped_by_newer_ones() -> None:
    def at(price: float, symbol: str = "AAPL") -> Quote:
        return Quote(symbol, 1, price, 1, price + 1, 1)

    done = Trade("AAPL", 1, 1.0, 1.0, "V", 1)
    queue = [at(1), done, at(2), at(1, "MSFT"), State.DOWN, at(3), State.UP, at(4), at(5)]
    assert newest_quotes(queue) == [done, at(2), at(1, "MSFT"), State.DOWN, at(3), State.UP, at(5)]


def test_keys_come_from_the_environment_or_a_file_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "alpaca"
    assert alpaca_keys.read(file, {}) is None
    file.write_text("# paper\nALPACA_API_KEY=abc\nALPACA_API_SECRET='def'\n")
    file.chmod(0o640)
    with pytest.raises(OperatorError, match="chmod 600"):
        alpaca_keys.read(file, {})
    file.chmod(0o600)
    assert alpaca_keys.read(file, {}) == ("abc", "def")
    assert alpaca_keys.read(file, {"ALPACA_API_KEY": "k", "ALPACA_API_SECRET": "s"}) == ("k", "s")
    with pytest.raises(OperatorError, match="no ALPACA_API_SECRET"):
        alpaca_keys.read(file, {"ALPACA_API_KEY": "k"})
    assert "abc" not in repr(Keys("abc", "def"))


# ---------------------------------------------------------------------------------------------------- on the engine


@pytest.fixture
def instruments(tmp_path: Path) -> Path:
    path = tmp_path / "instruments.toml"
    path.write_text(INSTRUMENTS)
    return path


def test_the_market_follows_alpaca_through_faults(
    tmp_path: Path, instruments: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Quotes rest on the book and fill others; a connection that ends takes them away; what was traded meanwhile is on
    the tape, once, also where REST says 429 and 500 first."""
    for logger in LOGGERS:
        caplog.set_level(logging.DEBUG, logger=logger)
    monkeypatch.setattr(driver, "GAP_RETRY_S", 0.2)
    start = time.time_ns() - 60 * 10**9
    rows = [trade(number, 100 + number / 100, 10 * number, start + number * 10**9) for number in range(1, 9)]
    published = free_address()
    with (
        alpaca() as server,
        open_engine(tmp_path / "journal", market_data=published) as (_, address),
        Client(address, token()) as client,
    ):
        # What the simulated market of an earlier start has left would trade with the quotes.
        client.administer(AAPL)
        client.administer(DefineAccount(account="sim-maker-1"))
        client.connect()
        left = NewOrder(account="sim-maker-1", symbol="AAPL", side="buy", quantity=Decimal(5), limit_price=Decimal(150))
        assert client.submit([left])[0].order_status == "new"

        def top() -> tuple[Any, ...]:
            book = client.depth("AAPL", 1)
            return tuple((side[0][0], side[0][1]) if side else None for side in (book.bids, book.asks))

        def tape() -> list[tuple[str, int]]:
            return [(one.price, one.transact_ns) for one in client.trades("AAPL").trades if one.exec_type == "print"]

        def story() -> None:
            wait_for(lambda: server.logins == 1)
            server.send(quote("AAPL", 100.01, 200, 100.03, 300))
            wait_for(lambda: top() == (("100.01", "200"), ("100.03", "300")))
            server.send(quote("AAPL", 100.05, 100, 100.07, 50), streamed("AAPL", rows[0], start + 10**9))
            wait_for(lambda: top() == (("100.05", "100"), ("100.07", "50")))
            client.administer(DefineAccount(account="me", deposit=Decimal(1_000_000)))
            order = NewOrder(
                account="me", symbol="AAPL", side="buy", quantity=Decimal(20), limit_price=Decimal("100.07"),
                time_in_force="ioc",
            )  # fmt: skip
            client.connect()
            (reply,) = client.submit([order])
            assert (reply.filled_quantity, reply.average_price) == ("20", "100.07")

            server.trades["AAPL"] = rows[:5]
            server.fail_next = [429, 500]
            server.drop()
            wait_for(lambda: top() == (None, None))
            wait_for(lambda: server.logins == 2)
            wait_for(lambda: len(tape()) == 5)
            assert len(server.requests) == 3, "pages of two"
            server.send(streamed("AAPL", rows[4], start + 5 * 10**9), streamed("AAPL", rows[5], start + 6 * 10**9))
            wait_for(lambda: len(tape()) == 6)
            server.send({"T": "t", "S": "AAPL", "p": -1, "s": 1, "i": 9, "t": msgpack.Timestamp(1)})
            server.send(quote("AAPL", 101.00, 10, 101.02, 10))
            wait_for(lambda: top() == (("101.00", "10"), ("101.02", "10")))
            assert tape() == [(f"{100 + k / 100:.2f}", start + k * 10**9) for k in range(1, 7)]

        play(address, server, instruments, story)
        assert top() == (None, None), "what stops takes its quotes along"
        # What was traded while the process was away comes with the next one.
        server.trades["AAPL"] = rows
        play(address, server, instruments, lambda: wait_for(lambda: len(tape()) >= 8))
        assert tape() == [(f"{100 + k / 100:.2f}", start + k * 10**9) for k in range(1, 9)]
    text = caplog.text
    assert "p: must be a number of at least 0" in text
    for hidden in (SECRET, KEY, SECRET.encode()[-4:].hex(" "), KEY.encode()[-4:].hex(" ")):
        assert hidden not in text


def test_wrong_keys_are_refused_and_not_logged(
    tmp_path: Path, instruments: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for logger in LOGGERS:
        caplog.set_level(logging.DEBUG, logger=logger)
    with alpaca() as server, open_engine(tmp_path / "journal") as (_, address):
        play(address, server, instruments, lambda: wait_for(lambda: server.refusals >= 2), secret="wrong-secret")
    assert server.logins == 0
    assert "auth failed" in caplog.text
    assert "wrong-secret" not in caplog.text
    assert b"cret".hex(" ") not in caplog.text


def test_past_bars_are_data_of_a_backtest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of two, to the end of each bar; a bar of a day is over at 16:00 in New York."""
    rows = [
        {"t": f"2024-01-{day:02}T05:00:00Z", "o": 10 + day, "h": 12 + day, "l": 9 + day, "c": 11 + day, "v": 100}
        for day in (2, 3, 4, 5, 8)
    ]
    with alpaca() as server:
        server.bars = {"AAPL": rows}
        for name, value in (
            ("ALPACA_API_KEY", KEY),
            ("ALPACA_API_SECRET", SECRET),
            ("HFT_ALPACA_DATA_URL", server.data_url),
        ):
            monkeypatch.setenv(name, value)
        found = bars(Keys(KEY, SECRET), ["AAPL", "NONE"], 86_400, 0, None, feed="iex", data_url=server.data_url)
        assert list(found) == ["AAPL"]
        assert found["AAPL"]["close"].to_list() == [13, 14, 15, 16, 19]
        assert found["AAPL"]["ts_ns"][0] == 1_704_229_200 * 10**9, "2024-01-02 21:00 UTC"
        (query, *_) = server.requests
        assert (query["timeframe"], query["feed"], query["adjustment"]) == (["1Day"], ["iex"], ["split"])
        chosen = ("--param", "symbol=AAPL", "--param", "fast=1", "--param", "slow=2")
        backtest = ("backtest", "moving-average-cross", *chosen)
        given = ("--from-alpaca", "AAPL", "--seconds", "86400", "--start", "2024-01-01")
        answer = CliRunner().invoke(hft, [*backtest, *given], catch_exceptions=False)
        assert "events         5 in" in answer.output
        with pytest.raises(SourceError, match="no bars of 61 s"):
            bars(Keys(KEY, SECRET), ["AAPL"], 61, 0, None, feed="iex", data_url=server.data_url)
        with pytest.raises(SourceError, match="forbidden"):
            bars(Keys(KEY, "wrong"), ["AAPL"], 60, 0, None, feed="iex", data_url=server.data_url)
