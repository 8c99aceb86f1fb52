"""`hft rebuild positions` on a real worker: a damaged state is told of by the audit, and mended."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest
from click.testing import CliRunner

from engine import messages
from engine import topics as wire
from infra.commands import hft
from streams import audit, rebuild, state, versions
from streams.outbox import Outbox
from tests.streams import flow, servers
from tests.streams.servers import Workers, wait_for


def damage(bootstrap: str) -> str:
    """Changes a saved holding by one lot, as a fault of the disk or of a program would; whose."""
    outbox = Outbox(bootstrap, "damage")
    record = next(
        record
        for record in servers.records(bootstrap, wire.LEDGER_STATE)
        if record.agent == "positions" and record.key.count("|") == 1
    )
    latest = [
        one
        for one in servers.records(bootstrap, wire.LEDGER_STATE)
        if (one.agent, one.partition, one.key) == ("positions", record.partition, record.key)
    ][-1]
    changed = msgspec.structs.replace(latest, state=latest.state | {"quantity": latest.state["quantity"] + 1})
    key = state.record_key("positions", latest.partition, latest.key)
    outbox.send(state.TOPIC, key, messages.as_json(changed), latest.partition)
    outbox.delivered()
    outbox.close()
    return str(latest.key)


@pytest.mark.faults
def test_a_damaged_state_is_mended(topics: str, workers: Workers) -> None:
    market = flow.Market(seed=31)
    flow.produce(topics, market.setup())
    flow.produce(topics, market.commands(600))
    worker = workers.start()
    assert settled(topics).ok
    assert worker.stop() == 0
    damage(topics)
    workers.start()
    flow.produce(topics, market.commands(300))
    found = settled(topics)
    assert not found.ok, "the damage shows in what is published"

    command = ["rebuild", "positions", "--from", "earliest"]
    answer = CliRunner().invoke(hft, command, env={"HFT_KAFKA_BOOTSTRAP": topics})
    assert answer.exit_code == 0, answer.output
    assert f"version 2 of {servers.counts(topics, 'fills')['fills']:,} fills" in answer.output
    result = settled(topics)
    assert result.ok, result.report()
    assert result.positions == result.fills

    # What is killed afterwards goes on with the new version, and publishes nothing twice.
    workers.processes[-1].kill()
    workers.start()
    flow.produce(topics, market.commands(200))
    result = settled(topics)
    assert result.ok, result.report()
    assert result.positions == result.fills
    present = versions.present(topics)
    assert (present.version, present.stopping) == (2, False)
    once = Counter(
        (one.account, one.symbol, one.last_seq, one.last_index) for one in servers.records(topics, wire.POSITIONS)
    )
    assert set(once.values()) == {1, 2}, "each version has a position once"


def settled(bootstrap: str) -> audit.AuditResult:
    """The audit once the worker has a position for each fill, in the version that counts."""
    present = versions.present(bootstrap)
    wanted = sum(present.begins) + servers.counts(bootstrap, "fills")["fills"]
    wait_for(lambda: servers.has(bootstrap, "positions", wanted), "a position for each fill")
    return audit.from_topics(bootstrap, settle_s=30)


@pytest.mark.integration
def test_without_its_first_fills_nothing_is_made_anew(topics: str) -> None:
    """What is missing at the beginning would be missing in every position."""
    market = flow.Market(seed=32)
    flow.produce(topics, market.setup())
    flow.produce(topics, market.commands(50))
    servers.delete_first(topics, "fills")
    with pytest.raises(rebuild.RebuildError, match="begins at offset 1: what was before it has been deleted"):
        rebuild.rebuild(topics, lambda done, total: None)
    assert versions.present(topics) == versions.FIRST
