"""`hft audit` on the whole system: the engine, the topics, Postgres and Redis say the same; and where one was changed
by hand, that is found."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import psycopg
import pytest
import redis

from engine.client import Client
from engine.messages import DefineAccount, NewOrder
from streams.watcher import outcome
from tests.integration.waiting import wait_for
from tests.system import System

ACCOUNTS = ("audit-a", "audit-b")


@pytest.fixture(scope="module")
def traded(system: System) -> System:
    with Client(system.settings.zeromq, system.token(role="service")) as client:
        for account in ACCOUNTS:
            client.administer(DefineAccount(account=account, deposit=Decimal(1_000_000)))
        for number in range(20):
            client.submit(
                [
                    NewOrder(
                        account=account,
                        symbol="MSFT",
                        side=side,
                        quantity=Decimal(2 + number % 3),
                        limit_price=Decimal(400),
                        time_in_force="gtc",
                        client_order_id=f"{account}-{number}",
                    )
                    for account, side in zip(ACCOUNTS, ("buy", "sell"), strict=True)
                ]
            )
    return system


def audit(system: System) -> tuple[int, str]:
    told = subprocess.run(
        (sys.executable, "-m", "infra.cli", "audit"),
        env=system.environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    return told.returncode, told.stdout + told.stderr


def test_all_say_the_same(traded: System) -> None:
    told: list[str] = []

    def agrees() -> bool:
        code, text = audit(traded)
        told.append(text)
        return code == 0

    try:
        wait_for("an audit without a difference", agrees, 120)
    except AssertionError:
        pytest.fail(told[-1])
    assert "Postgres" in told[-1]
    assert "Redis" in told[-1]
    assert "0 records in flight" in told[-1]


def change_postgres(system: System, statement: str) -> Callable[[str], None]:
    def change(value: str) -> None:
        with psycopg.connect(system.settings.dsn, autocommit=True) as connection:
            # The sink may not have written the row yet.
            wait_for("the row", lambda: connection.execute(statement.format(value)).rowcount > 0)

    return change


@pytest.mark.parametrize(
    ("statement", "wrong", "right", "told"),
    [
        (
            "UPDATE orders SET filled_qty = filled_qty + {} WHERE client_order_id = 'audit-a-3'",
            "1",
            "-1",
            "filled_quantity is",
        ),
        ("UPDATE positions SET fees = fees + {} WHERE account = 'audit-a'", "0.5", "-0.5", "audit-a MSFT: fees is"),
        (
            "UPDATE executions SET fill_qty = fill_qty + {} WHERE client_order_id = 'audit-b-4'",
            "1",
            "-1",
            "executions audit-b MSFT: quantity is",
        ),
    ],
)
def test_a_changed_row_is_named(traded: System, statement: str, wrong: str, right: str, told: str) -> None:
    change = change_postgres(traded, statement)
    change(wrong)
    try:
        code, text = audit(traded)
    finally:
        change(right)
    assert code == 1
    assert "Postgres: " in text
    assert told in text


def test_a_changed_value_in_redis_is_named(traded: System) -> None:
    client = redis.Redis.from_url(traded.settings.redis)
    key = "position:audit-a|MSFT"
    kept: Any = client.get(key)
    client.set(key, kept.replace(b'"quantity":"', b'"quantity":"1'))
    try:
        code, text = audit(traded)
    finally:
        client.set(key, kept)
        client.close()
    assert code == 1
    assert "Redis: position audit-a MSFT: quantity is" in text


def test_the_continuous_audit_has_compared_it(traded: System) -> None:
    def compared() -> bool:
        found = outcome(traded.settings.redis)
        return found is not None and found.compared > 0 and found.in_flight == 0 and found.drift == 0

    wait_for("the continuous audit", compared, 120)
    found = outcome(traded.settings.redis)
    assert found is not None
    assert found.differences == 0, found.shown
    command = (sys.executable, "-m", "infra.cli", "status")
    shown = subprocess.run(command, env=traded.environment, capture_output=True, text=True, timeout=60, check=False)
    assert "audit: 0 differences, money conserved" in shown.stdout
