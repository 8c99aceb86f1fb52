"""The day of the system that the other tests use, from its commands alone; and what happens to a log that was changed.
`make test-day` does the same with a whole day."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from engine.client import Client
from engine.messages import Cancel, DefineAccount, Halt, NewOrder, OrderCommand, Resume
from streams import day as days
from tests.day.tampering import Change, Tampered, find, with_field
from tests.integration.waiting import wait_for
from tests.system import System

ACCOUNTS = ("day-1", "day-2", "day-3")


def commands(count: int) -> Iterator[OrderCommand]:
    """Orders around one price; some are refused, some canceled."""
    chance = random.Random(1)
    for number in range(count):
        account, name = chance.choice(ACCOUNTS), f"day-{number}"
        yield NewOrder(
            account=account,
            symbol=chance.choice(("AAPL", "MSFT", "NOWHERE")) if number % 50 == 0 else "AAPL",
            side=chance.choice(("buy", "sell")),
            quantity=Decimal(chance.randint(1, 20)),
            limit_price=Decimal(200) + chance.randint(-3, 3) * Decimal("0.01"),
            time_in_force="gtc",
            client_order_id=name,
            strategy=chance.choice((None, "north", "south")),
        )
        if chance.random() < 0.2:
            yield Cancel(account=account, client_order_id=name)


@pytest.fixture(scope="module")
def log(system: System) -> days.KafkaLog:
    """Some trading, all of which was hashed."""
    with Client(system.settings.zeromq, system.token(role="service")) as client:
        for account in ACCOUNTS:
            client.administer(DefineAccount(account=account, deposit=Decimal(1_000_000)))
        sent = list(commands(600))
        for start in range(0, len(sent), 50):
            if start == 300:
                client.administer(Halt(symbol="AAPL"))
            if start == 400:
                client.administer(Resume(symbol="AAPL"))
            client.submit(sent[start : start + 50])
    found = days.KafkaLog(system.settings.bootstrap)
    verified(found)
    return found


def today() -> date:
    return datetime.now(UTC).date()


def verified(log: days.Log) -> days.DayResult:
    """Once the last records have their hashes."""

    def whole() -> days.DayResult | None:
        try:
            result = days.verify(log, today())
        except days.DayError as error:
            if "no hash of the engine's state" in str(error):
                return None  # the publisher's first one comes ten seconds after its start
            raise
        assert result.ok, result.report()
        return result if result.unhashed == 0 and result.engine_hashes else None

    return wait_for("hashes of all records", whole, 120)


def test_the_day_is_the_same_again(system: System, log: days.KafkaLog) -> None:
    result = verified(log)
    for topic in ("order-events", "fills", "trades", "positions", "pnl", "candles", "books", "accounts", "instruments"):
        assert result.records[topic] > 0, f"{topic} was compared"
    assert result.record_hashes > 5
    command = (sys.executable, "-m", "infra.cli", "replay", "--day", "today", "--verify")
    told = subprocess.run(command, env=system.environment, capture_output=True, text=True, timeout=120, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "bit-identical" in told.stdout
    assert "× real time" in told.stdout


def of_ours(record: dict[str, object]) -> bool:
    return record.get("account") in ACCOUNTS


@pytest.mark.parametrize(
    ("topic", "change"),
    [
        ("fills", with_field("price", lambda price: "199.50")),
        ("order-events", with_field("leaves_quantity", lambda quantity: "77")),
        ("positions", with_field("realized_pnl", lambda money: "12.34")),
        ("pnl", with_field("equity", lambda money: "12.34")),
        ("accounts", with_field("deposits", lambda money: "12.34")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_changed_record_is_named_with_both_values(log: days.KafkaLog, topic: str, change: Change) -> None:
    place = find(log, topic, of_ours)
    result = days.verify(Tampered(log, {place: change}), today())
    assert not result.ok
    name, number, offset = place
    assert result.differences[0].place == f"{name}/{number} at {offset}"
    published, recomputed = result.differences[0].text.split(" recomputed ")
    assert published.startswith("published {")
    assert recomputed.startswith("{")
    assert published.removeprefix("published ") != recomputed


def test_a_flipped_command_makes_another_day(log: days.KafkaLog) -> None:
    def trades(record: dict[str, object]) -> bool:
        command = record["command"]
        assert isinstance(command, dict)
        return record["type"] == "new" and command.get("account") in ACCOUNTS and command["symbol"] == "AAPL"

    place = find(log, "commands", trades)
    flip = with_field("command.side", {"buy": "sell", "sell": "buy"}.__getitem__)
    result = days.verify(Tampered(log, {place: flip}), today())
    assert not result.ok
    places = " ".join(difference.place for difference in result.differences)
    assert "order-events/" in places, "the order's own report is another"
    told = result.report()
    assert result.differing > 1, told


def test_a_command_that_is_not_there_is_missed(log: days.KafkaLog) -> None:
    place = find(log, "commands", lambda record: record["type"] == "new")
    result = days.verify(Tampered(log, {place: with_field("seq", lambda seq: seq + 1)}), today())
    assert f"commands/0 at {place[2]}" in {difference.place for difference in result.differences}


def test_a_changed_hash_of_the_engine_is_named(log: days.KafkaLog) -> None:
    place = find(log, "state-hashes", lambda record: record["kind"] == "engine")
    result = days.verify(Tampered(log, {place: with_field("hashes", lambda hashes: ["00" * 16])}), today())
    assert any(difference.place.startswith("engine after command ") for difference in result.differences)


def test_a_day_without_commands(log: days.KafkaLog) -> None:
    with pytest.raises(days.DayError, match="no command of 2001-02-03"):
        days.verify(log, date(2001, 2, 3))
