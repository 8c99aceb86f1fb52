"""`hft trace`: an order's way through the whole system, by each of its names."""

from __future__ import annotations

import uuid
from decimal import Decimal

import pytest

from engine.client import Client
from engine.messages import DefineAccount, NewOrder
from engine.traces import trace_id
from infra.errors import OperatorError
from infra.trace import Step, shown, way
from tests.integration.waiting import wait_for
from tests.system import System


def test_an_orders_way_is_found_by_each_of_its_names(system: System) -> None:
    name = f"trace-{uuid.uuid4().hex[:8]}"
    with Client(system.settings.zeromq, system.token(role="service")) as client:
        for account in (name, f"{name}-s"):
            client.administer(DefineAccount(account=account, deposit=Decimal(1_000_000)))
        orders = [
            NewOrder(
                account=account,
                symbol="NVDA",
                side=side,
                quantity=Decimal(3),
                limit_price=Decimal("150.00"),
                time_in_force="gtc",
                client_order_id=f"{name}-1",
            )
            for account, side in ((f"{name}-s", "sell"), (name, "buy"))
        ]
        *_, taken = client.submit(orders)
    trace = trace_id(name, f"{name}-1")
    logs = system.folders.logs

    def look(what: str, account: str | None = None) -> list[Step]:
        found, steps = way(system.settings.bootstrap, logs, what, account, 60)
        assert found == trace
        return steps

    def topics() -> list[str]:
        return [step.where.partition("/")[0] for step in look(trace)]

    wanted = ["commands", "order-events", "order-events", "fills", "positions", "pnl"]
    wait_for("all that follows from the order", lambda: sorted(topics()) == sorted(wanted))
    assert topics()[0] == "commands"
    steps = look(trace)
    assert not [step for step in steps if f"{name}-s" in step.text], "something of the other side's order"
    assert all(shown(step, 20) for step in steps)
    assert taken.order_id is not None
    for what, account in ((f"00-{trace}-{'1' * 16}-01", None), (taken.order_id, None), (f"{name}-1", name)):
        assert look(what, account) == steps
    with pytest.raises(OperatorError, match=f"{name}, {name}-s each have an order"):
        look(f"{name}-1")
    with pytest.raises(OperatorError, match="there is no order nowhere"):
        look("nowhere")
    with pytest.raises(OperatorError, match="nothing is known of trace"):
        way(system.settings.bootstrap, logs, "a" * 32, None, 60)
