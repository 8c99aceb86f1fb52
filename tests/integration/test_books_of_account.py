"""A hundred thousand orders through the whole system: the independent audit finds every position and P&L right."""

from __future__ import annotations

import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from engine.client import Client
from engine.layout import COMMAND
from engine.messages import DefineAccount
from engine.words import CommandType, OrderType, TimeInForce
from tests.integration.waiting import wait_for
from tests.system import running_system

ORDERS = int(os.environ.get("AUDIT_ORDERS", "100000"))
FRAME = 2000
ACCOUNTS = 20


def order_flow(client: Client, count: int, seed: int) -> None:
    """Random limit orders of several accounts around one price, most of which meet another sooner or later."""
    rng = np.random.default_rng(seed)
    directory = client.directory
    accounts = [directory.session.account_ids[f"audit-{k}"] for k in range(ACCOUNTS)]
    instruments = [directory.instruments.find(symbol) for symbol in ("AAPL", "MSFT", "BTCUSD")]
    for start in range(0, count, FRAME):
        records = np.zeros(min(FRAME, count - start), COMMAND)
        size = len(records)
        records["type"] = int(CommandType.NEW)
        records["account"] = rng.choice(accounts, size)
        chosen = rng.integers(0, len(instruments), size)
        records["instrument"] = [instruments[k].number for k in chosen]  # type: ignore[union-attr]
        records["side"] = rng.integers(1, 3, size)
        records["order_type"] = int(OrderType.LIMIT)
        records["time_in_force"] = np.where(rng.random(size) < 0.6, int(TimeInForce.IOC), int(TimeInForce.GTC))
        records["quantity"] = rng.integers(1, 500, size)
        middle = np.array([(e.price_min + e.price_max) // 2 for e in instruments if e is not None])
        records["limit_price"] = middle[chosen] + rng.integers(-5, 6, size)
        records["client_order_id"] = [f"{seed}-{start + k}".encode() for k in range(size)]
        replies = client.submit_records(records)
        assert (replies["outcome"] == 1).all()


@pytest.mark.audit
@pytest.mark.timeout(500)
def test_the_audit_agrees_after_many_orders_and_a_restart(tmp_path: Path) -> None:
    var = tmp_path / "var"
    with running_system(var) as system, Client(system.settings.zeromq, system.token(role="service")) as client:
        for k in range(ACCOUNTS):
            client.administer(DefineAccount(account=f"audit-{k}", deposit=Decimal(1_000_000)))
        client.connect()
        order_flow(client, ORDERS // 2, seed=1)
        before = client.depth("AAPL", 100)
    with running_system(var) as system, Client(system.settings.zeromq, system.token(role="service")) as client:
        after = client.depth("AAPL", 100)
        assert (after.bids, after.asks) == (before.bids, before.asks)
        order_flow(client, ORDERS - ORDERS // 2, seed=2)
        command = (sys.executable, "-m", "infra.cli", "audit")

        def agrees() -> str:
            """The audit's report, once positions and P&L have caught up with the fills."""
            audit = subprocess.run(
                command, env=system.environment, capture_output=True, text=True, timeout=300, check=False
            )
            reports.append(audit.stdout + audit.stderr)
            return audit.stdout if audit.returncode == 0 else ""

        reports: list[str] = []
        try:
            wait_for("an audit without a difference", agrees, 300)
        except AssertionError:
            pytest.fail(reports[-1])
