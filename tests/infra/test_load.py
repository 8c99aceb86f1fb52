"""`hft load`: an open loop that hides nothing, and what it says of it."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from engine.client import Client
from engine.messages import DefineAccount
from infra.load.arrivals import poisson
from infra.load.command import load
from infra.load.latencies import Level, breaking, histogram, line
from infra.load.orders import Orders
from infra.load.run import hold
from tests.system import System


def level(rate: float, *latencies_us: float, due: int | None = None) -> Level:
    return Level(rate, len(latencies_us) if due is None else due, np.array(latencies_us, float), 0, 1.0)


def test_arrivals_are_in_order_keep_the_rate_and_follow_from_the_seed() -> None:
    due = poisson(10_000, 2.0, seed=7)
    assert abs(len(due) - 20_000) < 1000
    assert (np.diff(due) >= 0).all()
    assert due[-1] < 2_000_000_000
    assert np.array_equal(due, poisson(10_000, 2.0, seed=7))
    # Gaps of a Poisson stream vary as much as their mean.
    gaps = np.diff(due)
    assert 0.9 < gaps.std() / gaps.mean() < 1.1


def test_p99_breaks_where_it_is_so_many_times_the_first_ones() -> None:
    calm, busy, over = level(1, 100, 110), level(2, 500, 900), level(3, 100, 5000)
    assert breaking([calm, busy, over], 10) is over
    assert breaking([calm, busy], 10) is None
    assert breaking([], 10) is None


def test_orders_that_were_not_answered_are_too_much_however_quick_the_others() -> None:
    calm, lossy = level(1, 100, 110), level(2, 100, 110, due=3)
    assert breaking([calm, lossy], 10) is lossy
    assert "unanswered 1" in line(lossy)


def test_the_histogram_counts_every_answer() -> None:
    shown = histogram(np.array([1.0, 3.0, 3.5, 100.0, 90_000.0]))
    counts = [int(row.split()[3].replace(",", "")) for row in shown.splitlines()]
    assert sum(counts) == 5
    assert shown.splitlines()[-1].split()[4] == "100.000"
    assert histogram(np.empty(0)) == "no answers"


class Slow:
    """Stands in for a connection whose engine sleeps once for a while: the orders due meanwhile wait."""

    def __init__(self, pause_s: float) -> None:
        self._pause_s = pause_s
        self._waiting: list[tuple[int, int]] = []
        self._sent = 0

    def send_records(self, records: NDArray[Any]) -> int:
        self._sent += 1
        self._waiting.append((self._sent, len(records)))
        return self._sent

    def answered(self, wait_s: float) -> bool:
        return bool(self._waiting)

    def receive(self) -> tuple[int, bytes]:
        time.sleep(self._pause_s)
        self._pause_s = 0.0
        return self._waiting.pop(0)  # type: ignore[return-value]


def test_a_pause_is_charged_to_all_orders_that_were_due_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.load.run.in_records", lambda count: np.zeros(count, [("outcome", "i4")]))

    class Blank:
        def take(self, count: int) -> NDArray[Any]:
            return np.zeros(count)

    held = hold(Slow(0.5), Blank(), 1000, 1.0, 3)  # type: ignore[arg-type]
    assert held.answered == 1.0
    # A closed loop would have seen one slow order; here half of the second's orders have waited.
    assert float(np.mean(held.latencies_us > 100_000)) > 0.3


@pytest.mark.integration
def test_it_finds_a_rate_and_leaves_no_order_behind(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in system.settings.environment().items():
        monkeypatch.setenv(name, value)
    with Client(system.settings.zeromq, system.token(role="service")) as client:
        client.administer(DefineAccount(account="load-test", deposit=Decimal(10**9)))
    arguments = ["--account", "load-test", "--symbol", "MSFT", "--rates", "200,400", "--seconds", "0.5"]
    said = CliRunner().invoke(load, arguments, catch_exceptions=False)
    assert said.exit_code == 0
    assert "200/s  p50" in said.output
    with Client(system.settings.zeromq, system.token("load-test")) as client:
        book = client.depth("MSFT", levels=10)
        assert [price for price, _, _ in book.bids if Decimal(price) < 10] == []
        orders = Orders(client, "load-test", "MSFT")
        replies = client.submit_records(orders.take(2))
        assert [int(reason) for reason in replies["reason"]] == [0, 0]


@pytest.mark.integration
def test_an_account_that_is_not_there_is_named(system: System) -> None:
    from infra.errors import OperatorError

    with Client(system.settings.zeromq, system.token()) as client:
        with pytest.raises(OperatorError, match="--account nobody-here"):
            Orders(client, "nobody-here", "MSFT")
        with pytest.raises(OperatorError, match="--symbol NONE"):
            Orders(client, "load-test", "NONE")
