"""Trade, back up, wipe everything, restore, go on: `make test-backup`. Once while orders come in, once at rest and with
positions that were made anew."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from engine.topics import AUDIT, TOPICS
from infra.backup import manifest
from streams import audit_chain
from streams.consumer import Cursor, log_bounds, place, read_to_end
from tests.faults.load import ACCOUNTS, Taken, loading
from tests.integration.waiting import wait_for
from tests.system import System, running_system, settings_for

pytestmark = [pytest.mark.backup, pytest.mark.timeout(900)]

SEED = 7
QUOTA_GB = 25.0
"""Each part of it holds what this test writes."""
ORDERS = 1_500
"""Commands that are acknowledged before the first backup, while others go on."""
TABLES = {
    "orders": "id",
    "order_events": "id",
    "executions": "id",
    "position_history": "account, symbol, last_seq, last_index",
    "users": "username",
    "sessions": "session",
    "api_keys": "key_id",
}
OWN_TIME = "created_at"
"""When the sink wrote a row: another where it is written again."""


def hft(system: System, *arguments: str) -> tuple[int, str]:
    told = subprocess.run(
        (sys.executable, "-m", "infra.cli", *arguments),
        env=system.environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return told.returncode, told.stdout + told.stderr


def succeed(system: System, *arguments: str) -> str:
    code, said = hft(system, *arguments)
    assert code == 0, f"hft {' '.join(arguments)}: {said}"
    return said


def agrees(system: System) -> None:
    """The engine, topics, Postgres and Redis say the same, and every chain of the audit trail holds."""
    told = [""]

    def look() -> bool:
        code, told[0] = hft(system, "audit")
        return code == 0

    try:
        wait_for("an audit without a difference", look, 120)
    except AssertionError:
        pytest.fail(told[0])
    succeed(system, "audit", "--chain")


def ends(system: System, *names: str) -> Cursor:
    wanted = names or tuple(topic.name for topic in TOPICS if topic.cleanup != "compact")
    return {at: high for at, (_, high) in log_bounds(system.settings.bootstrap, wanted).items()}


def digests(system: System, until: Cursor) -> dict[tuple[str, int], str]:
    """Of every record before `until`: offset, time, key, headers, value."""
    found = {at: hashlib.sha256() for at in until}
    for batch in read_to_end(system.settings.bootstrap, dict.fromkeys(until), name="test-backup"):
        for message in batch:
            name, number, offset = place(message)
            if offset < until[name, number]:
                content = offset, message.timestamp(), message.key(), message.headers(), message.value()
                found[name, number].update(repr(content).encode())
    return {at: digest.hexdigest() for at, digest in found.items()}


def get(system: System, path: str, **parameters: str) -> Any:
    headers = {"Authorization": f"Bearer {system.token(parameters['account'])}"}
    answer = httpx.get(f"{system.url}{path}", headers=headers, params=parameters, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()


def rows(system: System, table: str, order: str) -> list[dict[str, Any]]:
    with psycopg.connect(system.settings.dsn, row_factory=psycopg.rows.dict_row) as connection:
        found = connection.execute(f"SELECT * FROM {table} ORDER BY {order}").fetchall()  # type: ignore[arg-type]
    return [{name: value for name, value in row.items() if name != OWN_TIME} for row in found]


@dataclass
class Facts:
    """What must be the same after a restore."""

    shown: dict[str, Any]
    """Account → what REST tells: working orders, the latest of all, positions, P&L."""
    tables: dict[str, list[dict[str, Any]]]
    until: Cursor
    topics: dict[tuple[str, int], str]

    @classmethod
    def of(cls, system: System, until: Cursor | None = None) -> Facts:
        shown = {
            account: [
                get(system, "/api/orders", account=account, status="working", limit="500"),
                get(system, "/api/orders", account=account, limit="100"),
                get(system, "/api/positions", account=account),
                get(system, "/api/pnl", account=account),
            ]
            for account in ACCOUNTS
        }
        until = until or ends(system)
        tables = {table: rows(system, table, order) for table, order in TABLES.items()}
        return cls(shown, tables, until, digests(system, until))


def differences(before: Any, after: Any, at: str = "") -> Iterator[str]:
    """Where two values that were read the same way differ."""
    if isinstance(before, Facts) and isinstance(after, Facts):
        before, after = vars(before), vars(after)
    if isinstance(before, dict) and isinstance(after, dict) and before.keys() == after.keys():
        for key in before:
            yield from differences(before[key], after[key], f"{at}/{key}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from differences(one, other, f"{at}/{number}")
    elif before != after:
        yield f"{at}: {before!r:.200} → {after!r:.200}"


def log_in(system: System) -> None:
    """As a person would: a row of a session, and a link of the audit trail."""
    answer = httpx.post(f"{system.url}/api/login", json={"username": "demo", "password": "demo"}, timeout=30)
    assert answer.status_code == 200, answer.text


def wipe(system: System) -> None:
    for path in system.settings.var.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("backup")


def test_trade_back_up_wipe_restore_go_on(folder: Path) -> None:
    var, busy, still = folder / "var", folder / "busy", folder / "still"
    taken = Taken()
    with running_system(var, disk_quota_gb=QUOTA_GB) as system:
        log_in(system)
        succeed(system, "user", "role", "demo", "trader")
        with loading(system, "before", SEED, taken):
            wait_for("orders", lambda: len(taken.acknowledged) > ORDERS, 120)
            before = list(taken.acknowledged)
            succeed(system, "backup", str(busy))
            after = len(taken.acknowledged)
        assert after > len(before), "no order was taken while the backup was made: it did not happen under load"
        agrees(system)
        succeed(system, "rebuild", "positions", "--from", "earliest")
        agrees(system)
        facts = Facts.of(system)
        assert any(orders["orders"] for orders, *_ in facts.shown.values()), "nobody has a working order"
        succeed(system, "backup", str(still))
        code, said = hft(system, "backup", str(still))
        assert (code, "is not empty" in said) == (1, True), said
        code, said = hft(system, "restore", str(still))
        assert code == 1, said
        assert "is not empty" in said
    code, said = hft(system, "restore", str(still))
    assert (code, "is not empty" in said) == (1, True), said

    wipe(system)
    succeed(system, "restore", str(still))
    with running_system(var, **same_ports(system)) as system:
        agrees(system)
        assert list(differences(facts, Facts.of(system, facts.until))) == []
        with loading(system, "again", SEED + 1, taken):
            more = len(taken.acknowledged)
            wait_for("orders after the restore", lambda: len(taken.acknowledged) > more + 300, 120)
        agrees(system)

    wipe(system)
    succeed(system, "restore", str(busy))
    with running_system(var, **same_ports(system)) as system:
        point = manifest.read(busy)
        agrees(system)
        succeed(system, "replay", "--day", "today", "--verify")
        known = {(row["account"], row["client_order_id"]) for row in rows(system, "orders", "id")}
        missing = [each for each in before if each.kind == "new" and (each.account, each.client_order_id) not in known]
        assert missing == [], f"acknowledged before the backup began, and gone: {missing[:5]}"
        assert max(each.seq for each in before) <= point.seq
        chain = read_to_end(system.settings.bootstrap, {(AUDIT.name, 0): 0}, name="test-backup")
        links = [(message.offset() or 0, message.value() or b"") for batch in chain for message in batch]
        assert audit_chain.verify(links, whole=True).ok
        with loading(system, "anew", SEED + 2, taken):
            more = len(taken.acknowledged)
            wait_for("orders after the restore", lambda: len(taken.acknowledged) > more + 300, 120)
        agrees(system)


def same_ports(system: System) -> dict[str, object]:
    """Settings of a system that has been there before."""
    fresh = settings_for(system.settings.var, {})
    return {
        name: getattr(system.settings, name)
        for name in type(fresh).model_fields
        if getattr(fresh, name) != getattr(system.settings, name)
    }
