"""A day's orders in the backtester: each difference has its cause, and the causes add up."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import numpy as np
import pytest

from engine.core import Core
from engine.decode import decode, with_ids
from engine.layout import COMMAND
from engine.messages import (
    AdministrativeCommand,
    AdministrativeEntry,
    DefineAccount,
    Fill,
    NewOrder,
    OrderCommand,
    SetPhase,
    VenueFill,
)
from engine.publication import Publication
from streams.backtest.compare import CAUSES, Assumed, Comparison, compare
from tests.streams.backtest.markets import ACCOUNTS, INSTRUMENT, MS, cancel, limit, random_market, take

ROOM = 10_000


class Log:
    """An engine and its publisher, in memory: what the topics `commands` and `fills` hold."""

    def __init__(self) -> None:
        self.core = Core(max_orders=ROOM)
        self.publication = Publication(self.core)
        self.commands: list[bytes] = []
        self.fills: list[Fill] = []
        self.administer(INSTRUMENT)
        for account in (*ACCOUNTS, "mine"):
            self.administer(DefineAccount(account=account, deposit=Decimal(10**9)))

    def administer(self, command: AdministrativeCommand, at: int = 1) -> None:
        entry = AdministrativeEntry(ts_ns=at, source="system", actor="test", command=command)
        reports = self.core.administer(self.core.last_seq + 1, at, command).reports
        self._keep(self.publication.administrative(self.core.last_seq, entry))
        self._keep(self.publication.reports(reports))

    def send(self, milliseconds: int, command: OrderCommand) -> None:
        command = with_ids(command, lambda: f"auto-{self.core.last_seq}")
        rows = np.array(decode(command, self.core.instruments, self.core.accounts), COMMAND)
        rows["seq"] = np.arange(self.core.last_seq + 1, self.core.last_seq + 1 + len(rows))
        rows["ts_ns"] = milliseconds * MS
        reports = self.core.apply(rows).reports
        self._keep(self.publication.commands(rows))
        self._keep(self.publication.reports(reports))

    def _keep(self, outputs: object) -> None:
        for output in outputs:  # type: ignore[attr-defined]
            if output.topic.name == "commands":
                self.commands.append(output.value)
            elif output.topic.name == "fills":
                self.fills.append(msgspec.json.decode(output.value, type=Fill))

    def compare(self, **assumed: int) -> Comparison:
        return compare(self.commands, self.fills, "mine", 2, 10**18, Assumed(**assumed), max_orders=ROOM)


def mine(side: str, quantity: int, price: str, name: str) -> NewOrder:
    return limit(side, quantity, price, name, account="mine")


def small_day() -> Log:
    """I buy 5 behind 10 of whom 8 leave, and take 6 off the asks, which walks two levels."""
    log = Log()
    log.send(1, limit("buy", 8, "100.00", "leaves"))
    log.send(2, limit("buy", 2, "100.00", "stays"))
    log.send(3, limit("sell", 4, "100.05", "first"))
    log.send(4, limit("sell", 9, "100.08", "second"))
    log.send(10, mine("buy", 5, "100.00", "rests"))
    log.send(11, cancel("leaves"))
    log.send(12, take("sell", 7))
    log.send(20, mine("buy", 6, "100.10", "takes"))
    log.send(30, limit("sell", 1, "100.20", "late"))
    return log


def test_a_day_under_its_own_conditions_shows_only_what_levels_cannot_tell() -> None:
    found = small_day().compare()
    causes = found.by_cause()
    assert (causes["data"], causes["latency"], causes["fee"]) == (0, 0, 0)
    queue = {line.client_order_id: line.backtest_quantity for line in found.lines}
    assert queue["rests"] == "0", "by levels 10 stood in front, and only 7 were traded"
    # 2 of the 6 were bought at 100.08 and not at the touch of 100.05.
    assert causes["slippage"] == 2 * 30_000
    assert found.backtest_value - found.live_value == sum(causes.values())
    assert "of them different" in found.report()
    # 5 at 100.00 while the middle was 100.025; nobody bid any more when the other order came.
    assert found.arrival == (1, 125_000, pytest.approx(0.125 / 500.125 * 10_000))
    assert "live against the middle at arrival 0.125 (2.50 bp), 1 orders" in found.report()


def test_a_day_of_paper_trading() -> None:
    """What a venue elsewhere has filled is compared with the book here, where that has prices, and keeps its time."""
    log = Log()
    log.administer(DefineAccount(account="out"))
    log.administer(SetPhase(symbol=INSTRUMENT.symbol, phase="opening_auction"))
    log.send(1, limit("buy", 9, "100.00", "bid"))
    log.send(2, limit("sell", 9, "100.04", "ask"))
    log.send(3, mine("buy", 5, "100.10", "routed"))
    routed = log.core.last_seq
    log.send(4, msgspec.structs.replace(take("sell", 1), time_in_force="day"))
    log.send(5, mine("buy", 1, "100.10", "beside a market order that waits"))
    for number, lots, price in ((routed, 5, "100.05"), (log.core.last_seq, 1, "100.09")):
        log.administer(
            VenueFill(
                order_id=str(number),
                venue="out",
                execution_id=f"{number}:{lots}",
                quantity=Decimal(lots),
                price=Decimal(price),
                filled_quantity=Decimal(lots),
            ),
            at=6 * MS,
        )
    for latency_ns in (0, 10 * MS):
        found = log.compare(latency_ns=latency_ns)
        assert {cause: money for cause, money in found.by_cause().items() if money} == {"slippage": 50_000}
        assert found.arrival == (1, -150_000, pytest.approx(-3 / 10_002 * 10_000))


def test_fees_and_slippage_are_those_assumed() -> None:
    log = small_day()
    plain = log.compare().by_cause()
    assert log.compare(slippage_ticks=1).by_cause()["slippage"] == plain["slippage"] - 6 * 10_000
    dear = log.compare(taker_fee_ppm=1030, maker_fee_ppm=-20).by_cause()
    charged, assumed = 12_006 + 6_005, 618_309  # 30 ppm of both fills, 1030 ppm of 6 at the touch
    assert dear["fee"] == charged - assumed


def test_latency_moves_the_orders_and_not_the_market() -> None:
    log = small_day()
    late = log.compare(latency_ns=5 * MS)
    lines = {line.client_order_id: line for line in late.lines}
    assert lines["rests"].causes[CAUSES.index("latency")] != 0, "the sellers had come before it"
    early = log.compare(live_latency_ns=17 * MS)
    lines = {line.client_order_id: line for line in early.lines}
    assert lines["takes"].causes[CAUSES.index("latency")] < 0, (
        "17 ms earlier nobody offered: it rests, and is not filled"
    )
    for found in (late, early):
        assert found.backtest_value - found.live_value == sum(found.by_cause().values())


def test_a_fill_that_the_topics_lack_is_a_difference_of_the_data() -> None:
    log = small_day()
    log.fills = [fill for fill in log.fills if fill.client_order_id != "takes" or fill.price != "100.08"]
    found = log.compare()
    assert found.by_cause()["data"] != 0
    lines = {line.client_order_id: line for line in found.lines}
    assert lines["takes"].causes[0] != 0
    assert lines["rests"].causes[0] == 0


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_on_any_day_the_causes_add_up(seed: int) -> None:
    rng = np.random.default_rng(seed)
    log = Log()
    for number, (at, command) in enumerate(random_market(seed, 60).commands):
        log.send(at, command)
        if number % 7 == 0:
            side = str(rng.choice(["buy", "sell"]))
            bids, asks = log.core.depth(1, 1)
            best = bids if side == "buy" else asks
            if len(best):
                price = Decimal(int(best[0, 0]) + int(rng.integers(-1, 2))) / 100
                log.send(at, mine(side, int(rng.integers(1, 9)), str(price), f"mine-{number}"))
    exact = log.compare()
    assert exact.by_cause()["data"] == exact.by_cause()["latency"] == 0
    for assumed in ({"latency_ns": 3 * MS}, {"live_latency_ns": 2 * MS, "taker_fee_ppm": 500, "slippage_ticks": 1}):
        found = log.compare(**assumed)
        assert found.orders == exact.orders > 20
        assert found.by_cause()["data"] == 0
        assert found.backtest_value - found.live_value == sum(found.by_cause().values())
    assert msgspec.json.decode(log.commands[0])["seq"] == 1
