"""The drop copy: an account's reports go to the sessions that asked, whole and numbered, and to nobody else."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from engine.client import AsyncClient, Client
from engine.layout import REPORT
from engine.messages import CancelAll, NewOrder
from engine.refusal import Refusal
from engine.words import ExecType
from tests.engine.doors import define, logged_in, open_engine, token


def limit(side: str, quantity: int, price: str, account: str = "demo") -> NewOrder:
    return NewOrder(account=account, symbol="AAPL", side=side, quantity=Decimal(quantity), limit_price=Decimal(price))


def next_reports(client: Client, count: int) -> np.ndarray:
    found = np.zeros(0, REPORT)
    while len(found) < count:
        reports = client.reports(10.0)
        assert reports is not None
        assert reports.first == 1 + len(found)
        found = np.concatenate([found, reports.records])
    return found


def test_an_accounts_reports_and_no_others(tmp_path: Path) -> None:
    with open_engine(tmp_path) as (_, address), logged_in(address) as admin:
        define(admin, "demo", "other")
        with logged_in(address, token("back-office", "viewer", ("demo",))) as viewer:
            assert viewer.subscribe("demo").last_seq == 3
            with pytest.raises(Refusal, match="may not act for other"):
                viewer.subscribe("other")
            admin.submit([limit("sell", 3, "190.00"), limit("buy", 2, "190.00", "other"), limit("buy", 1, "189.00")])
            admin.submit([CancelAll(account="demo"), CancelAll(account="other")])
            reports = next_reports(viewer, 5)
            assert [ExecType(kind).wire for kind in reports["exec_type"]] == [
                "new",
                "trade",
                "new",
                "canceled",
                "canceled",
            ]
            assert set(reports["account"]) == {1}
            assert viewer.unsubscribe("demo").type == "unsubscribed"
            admin.submit([limit("buy", 1, "189.00")])
            assert viewer.reports(0.3) is None


def test_one_session_may_follow_many_accounts(tmp_path: Path) -> None:
    with open_engine(tmp_path) as (_, address), logged_in(address) as admin, logged_in(address) as office:
        define(admin, "demo", "other", "third")
        for account in ("demo", "other"):
            office.subscribe(account)
        admin.submit([limit("buy", 1, "190.00", account) for account in ("third", "other", "demo", "other")])
        frames = [office.reports(10.0), office.reports(10.0)]
        assert [(f.account, f.first, len(f.records)) for f in frames if f] == [(1, 1, 1), (2, 1, 2)]


def test_reports_go_on_after_a_new_login(tmp_path: Path) -> None:
    with open_engine(tmp_path) as (_, address):
        client = Client(address, token())
        define(client, "demo")
        client.subscribe("demo")
    with open_engine(tmp_path, address=address):
        client.depth("AAPL")
        client.submit([limit("buy", 1, "190.00")])
        assert len(next_reports(client, 1)) == 1
    client.close()


def test_the_async_client_reads_the_same(tmp_path: Path) -> None:
    async def follow(address: str) -> int:
        async with AsyncClient(address, token()) as client:
            await client.subscribe("demo")
            await client.submit([limit("buy", 1, "190.00")])
            async for reports in client.reports():
                return len(reports.records)
        return 0

    with open_engine(tmp_path) as (_, address), logged_in(address) as admin:
        define(admin, "demo")
        assert asyncio.run(follow(address)) == 1
