"""The demo user and account that `hft up` makes."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import httpx
import pytest

from infra.bootstrap import bootstrap
from tests.system import System


@pytest.fixture
def gateway(system: System) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=system.url, timeout=30) as gateway:
        yield gateway


def again(system: System, password: str) -> None:
    bootstrap(system.settings.dsn, system.settings.zeromq, system.secret, password)


def login(gateway: httpx.Client, password: str) -> httpx.Response:
    return gateway.post("/api/login", json={"username": "demo", "password": password})


def test_the_demo_user_has_the_deposit_once(system: System, gateway: httpx.Client) -> None:
    again(system, "demo")
    answer = login(gateway, "demo")
    assert answer.status_code == 200
    assert (answer.json()["role"], answer.json()["accounts"]) == ("trader", ["demo"])
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    account = gateway.get("/api/account", headers=headers)
    assert account.status_code == 200, account.text
    (found,) = [entry for entry in account.json()["accounts"] if entry["account"] == "demo"]
    assert Decimal(found["deposits"]) == 1_000_000
    assert Decimal(found["margin_multiple"]) == 4


def test_a_new_password_counts_and_none_locks_out(system: System, gateway: httpx.Client) -> None:
    try:
        again(system, "another")
        assert login(gateway, "another").status_code == 200
        assert login(gateway, "demo").status_code == 401
        again(system, "")
        assert login(gateway, "another").status_code == 401
    finally:
        again(system, "demo")
    assert login(gateway, "demo").status_code == 200
