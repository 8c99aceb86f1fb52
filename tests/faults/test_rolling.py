"""A rolling upgrade: `hft restart` of everything under load, with two gateways and two workers. `make test-rolling`."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from engine.topics import FILLS, ORDER_EVENTS
from infra.restart import order
from tests.faults.behind_a_balancer import Follower, RestSender
from tests.faults.evidence import records_of
from tests.faults.load import loading, open_accounts
from tests.faults.run import Run
from tests.faults.settings import KILL_LIMIT_S, SEED
from tests.faults.test_books import prove
from tests.integration.waiting import wait_for
from tests.system import START_LIMIT_S, running_system

pytestmark = [pytest.mark.rolling, pytest.mark.timeout(START_LIMIT_S + 900)]

UPGRADE_S = 600.0
PAUSE_S = 0.3
"""Between the frames of a sender, at most: what is restarted has the processors to start on, and what was written is
audited with fractions afterwards."""


def test_a_rolling_upgrade_loses_nothing(tmp_path: Path) -> None:
    """No order of any door is lost or doubled, and a client of the stream that goes on at the other gateway has seen
    every change once."""
    run = Run("rolling upgrade")
    with running_system(tmp_path / "var", gateway_replicas=2, streams_workers=2) as system:
        instruments = open_accounts(system)
        senders = [RestSender(f"rolling-r{number}", SEED, run.taken, system, instruments) for number in (1, 2)]
        follower = Follower(system)
        follower.start()
        assert follower.connected.wait(KILL_LIMIT_S)
        assert follower.error is None, follower.error
        before = {service.name: service.pid for service in system.state.services}
        with loading(system, "rolling", SEED, run.taken, pause_s=PAUSE_S):
            for sender in senders:
                sender.pause_s = PAUSE_S
                sender.start()
            done = subprocess.run(
                [sys.executable, "-m", "infra.cli", "restart"],
                env=system.environment,
                capture_output=True,
                text=True,
                timeout=UPGRADE_S,
                check=False,
            )
            time.sleep(1.0)  # orders that only the new ones have seen
            for sender in senders:
                sender.stopped.set()
            for sender in senders:
                sender.join(KILL_LIMIT_S)
        for sender in senders:
            run.taken.sent += sender.sent
            run.taken.repeated += sender.repeated
            assert sender.error is None, sender.error
        assert done.returncode == 0, done.stdout + done.stderr
        after = {service.name: service.pid for service in system.state.services}
        assert {name for name in before if before[name] != after[name]} == set(order(before)), done.stdout
        run.prove(system)

        fills = [fill.fill_id for _, fill in records_of(system.settings.bootstrap, FILLS)]
        events = [event for _, event in records_of(system.settings.bootstrap, ORDER_EVENTS)]
        wait_for("the stream to have all fills", lambda: len(follower.fills) >= len(fills), KILL_LIMIT_S)
        changes = {(event.seq, event.index) for event in events if event.exec_type != "rejected"}
        wait_for("the stream to have all changes", lambda: changes <= set(follower.orders), KILL_LIMIT_S)
        follower.stopped.set()
        assert follower.error is None, follower.error
        assert follower.snapshots == 2, "after the first connection it resumed"
        assert follower.connections > 2
        assert Counter(follower.fills) == Counter(fills)
        assert [place for place, count in Counter(follower.orders).items() if count > 1] == []
        rest = sum(item.client_order_id.startswith("rolling-r") for item in run.taken.acknowledged)
        assert rest, "no order by REST was acknowledged"
        prove(
            system,
            "rolling upgrade",
            f"processes {len(order(before))}; orders by REST {rest}; connections of the stream {follower.connections}",
        )
    follower.join(KILL_LIMIT_S)
    assert not follower.is_alive()
