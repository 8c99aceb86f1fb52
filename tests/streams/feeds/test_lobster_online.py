"""A LOBSTER day through the door of a running engine, many messages on their way at a time."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from decimal import Decimal

import pytest

from engine.client import Client
from engine.messages import CancelAll, DefineAccount, DefineInstrument, NewOrder
from engine.words import Side
from streams.feeds import lobster
from streams.feeds.lobster import LobsterError, online
from streams.feeds.lobster.plan import Progress
from streams.feeds.lobster.reader import DELETE, HIDDEN_EXECUTION, NEW, VISIBLE_EXECUTION, Day, Message
from streams.feeds.lobster.result import Result
from tests.engine.doors import SECRET, free_address, logged_in, open_engine
from tests.streams.feeds.lobster_day import AAPL_BOOK, AAPL_MESSAGES, day_of, needs

BUY, SELL = int(Side.BUY), int(Side.SELL)
ASKS = [(2_000_000, 5), (2_000_100, 5)]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An engine for all these tests; each trades a symbol of its own."""
    with open_engine(tmp_path_factory.mktemp("journal")) as (_, where):
        yield where


@pytest.fixture
def client(address: str) -> Iterator[Client]:
    """Somebody else on the same engine."""
    with logged_in(address) as one:
        one.administer(DefineAccount(account="demo"))
        yield one


def small_day() -> Day:
    """Five messages, a second apart, of which one executes and one prints at half a cent."""
    return day_of(
        [
            (Message(NEW, 1, 10, 1_999_000, BUY), [(1_999_000, 10)], ASKS),
            (Message(NEW, 2, 7, 1_999_000, BUY), [(1_999_000, 17)], ASKS),
            (Message(HIDDEN_EXECUTION, 0, 3, 1_999_950, SELL), [(1_999_000, 17)], ASKS),
            (Message(VISIBLE_EXECUTION, 1, 10, 1_999_000, BUY), [(1_999_000, 7)], ASKS),
            (Message(DELETE, 2, 7, 1_999_000, BUY), [], ASKS),
        ],
        levels=3,
    )


def play(address: str, symbol: str, *, speed: float | None = None, progress: Progress | None = None) -> Result:
    return online.play(small_day(), symbol, "by hand", address, SECRET, speed, progress)


def bid(client: Client, symbol: str) -> None:
    """Somebody else's order, below the day's prices."""
    client.connect()
    order = NewOrder(account="demo", symbol=symbol, side="buy", quantity=Decimal(1), limit_price=Decimal("150.00"))
    assert client.submit([order])[0].outcome == "accepted"


def test_every_row_is_equal_and_accounts_trade(address: str, client: Client) -> None:
    result = play(address, "DAY")
    assert (result.compared, result.equal, dict(result.refused)) == (5, 5, {})
    assert result.ok
    assert result.printed == 1
    session = client.connect()
    assert {"lobster-crowd-1", "lobster-taker-8"} <= session.account_ids.keys()
    assert next(one.tick_size for one in session.instruments if one.symbol == "DAY") == "0.005"
    assert [price for price, _, _ in client.depth("DAY").asks] == ["200.000", "200.010"]


def test_a_second_replay_clears_what_the_first_left(address: str) -> None:
    assert play(address, "TWICE").ok
    assert play(address, "TWICE").ok


def test_a_book_with_somebody_s_orders_is_left_alone(address: str, client: Client) -> None:
    assert play(address, "TAKEN").ok
    client.submit([CancelAll(account=f"lobster-crowd-{k + 1}", symbol="TAKEN") for k in range(8)])
    bid(client, "TAKEN")
    with pytest.raises(LobsterError, match=r"TAKEN: its book must be empty.*--symbol") as error:
        play(address, "TAKEN")
    assert "\n" not in str(error.value)
    assert len(client.depth("TAKEN").bids) == 1


def test_somebody_else_in_the_book_is_found_as_a_difference(address: str, client: Client) -> None:
    def interfere(done: int, total: int) -> None:
        if done == 2:
            bid(client, "MIXED")

    result = play(address, "MIXED", speed=5.0, progress=interfere)
    assert result.compared == 5
    assert result.first_unequal in (2, 3)
    assert not result.ok


def define(client: Client, symbol: str, **fields: Decimal) -> None:
    usual = {"tick_size": Decimal("0.01"), "lot_size": Decimal(1), "price_min": Decimal(1), "price_max": Decimal(500)}
    assert client.administer(DefineInstrument(symbol=symbol, **{**usual, **fields})).outcome == "accepted"


def test_an_instrument_with_a_coarser_tick_refuses_the_prints_between(address: str, client: Client) -> None:
    define(client, "CENT")
    result = play(address, "CENT")
    assert (result.equal, result.printed) == (5, 0)
    assert dict(result.refused) == {"price_increment": 1}
    assert "refused 1, price_increment: 1" in result.report()


@pytest.mark.parametrize(
    ("symbol", "fields", "said"),
    [
        ("COARSE", {"tick_size": Decimal("0.20")}, "the file has prices between"),
        ("FINE", {"tick_size": Decimal("0.00001"), "price_max": Decimal("2.00")}, "finer than a LOBSTER file"),
        ("LOTS", {"lot_size": Decimal(10)}, "counts single shares"),
        ("NARROW", {"price_max": Decimal(150)}, "takes prices from 1.00 to 150.00, the file goes from 199.9 to 200.01"),
    ],
)
def test_an_instrument_that_cannot_take_the_day(
    address: str, client: Client, symbol: str, fields: dict[str, Decimal], said: str
) -> None:
    define(client, symbol, **fields)
    with pytest.raises(LobsterError, match=f"{symbol}: ") as error:
        play(address, symbol)
    assert said in str(error.value)


def test_nobody_there_and_a_wrong_secret_are_one_line(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LobsterError, match="refuses the replay: token"):
        online.play(small_day(), "DAY", "by hand", address, "another secret, as long as it must be", None, None)
    monkeypatch.setattr(online, "TIMEOUT_S", 0.3)
    with pytest.raises(LobsterError, match=r"at tcp.*hft up.*--offline"):
        play(free_address(), "DAY")


def test_an_interrupt_finishes_what_is_under_way(address: str) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 1:
            signal.raise_signal(signal.SIGINT)

    result = play(address, "STOP", speed=1000.0, progress=interrupt)
    assert result.stopped
    assert (result.compared, result.equal) == (2, 2)
    assert result.excluded == {"not reached before it was stopped": 3}


@pytest.mark.marketdata
@needs(AAPL_BOOK)
def test_the_real_999_rows(address: str) -> None:
    result = lobster.replay(AAPL_MESSAGES, AAPL_BOOK, symbol=None, speed=None, address=address, secret=SECRET)
    assert (result.compared, result.equal, sum(result.refused.values())) == (999, 999, 0), result.report()
    assert result.ok
