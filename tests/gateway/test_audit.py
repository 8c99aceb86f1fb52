"""Who did what: every request that changes something, in a chain that restarts do not break."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from websockets.sync.client import connect

from engine.messages import AuditLink, as_json
from engine.topics import AUDIT, COMMANDS
from gateway.audit import AuditTrail, ChainFile, read
from streams.audit_chain import verify
from streams.consumer import read_to_end
from tests.gateway.running import Running, eventually, running
from tests.streams.test_audit_chain import chain
from tests.system import System


def kept(system: System) -> list[AuditLink]:
    batches = read_to_end(system.settings.bootstrap, {(AUDIT.name, 0): None}, name="test-audit")
    return [msgspec.json.decode(message.value() or b"", type=AuditLink) for batch in batches for message in batch]


def of(system: System, gateway: Running, count: int) -> list[AuditLink]:
    """The gateway's links, once there are so many."""
    writer = f"test-{gateway.port}"

    def found() -> list[AuditLink]:
        links = [link for link in kept(system) if link.writer == writer]
        return links if len(links) >= count else []

    return eventually(found)


@pytest.mark.integration
def test_what_changes_something_is_kept(system: System, account: str, other: str, symbol: str) -> None:
    order = {"symbol": symbol, "side": "buy", "quantity": 1, "limit_price": 10}
    with running(system) as gateway, gateway.client(account) as trader:
        gateway.wait_ready()
        placed = trader.post("/api/order", json=order)
        assert placed.status_code == 201
        assert trader.post("/api/order", json={**order, "account": other}).status_code == 403
        assert trader.get("/api/orders").status_code == 200
        httpx.post(f"{gateway.url}/api/login", json={"username": "mallory", "password": "guess"})
        with connect(gateway.url.replace("http", "ws") + "/ws") as socket:
            socket.send(json.dumps({"type": "login", "token": gateway.token(account)}))
            socket.recv()
            socket.send(json.dumps({"type": "cancel_all", "account": account}))
            assert json.loads(socket.recv())["event"] == "reply"
        links = of(system, gateway, 4)
        assert [(link.actor, link.source, link.action, link.status, link.reason) for link in links] == [
            ("tester", "rest", "POST /api/order", 201, None),
            ("tester", "rest", "POST /api/order", 403, "not_authorized"),
            ("mallory", "rest", "POST /api/login", 401, "unauthorized"),
            ("tester", "websocket", "cancel_all", 200, None),
        ]
        assert links[0].content == hashlib.sha256(placed.request.content).hexdigest()
        assert {link.address for link in links} == {"127.0.0.1"}
        commands = read_to_end(system.settings.bootstrap, {(COMMANDS.name, 0): None}, name="test-commands")
        by_seq: dict[int, Any] = {
            command["seq"]: command
            for batch in commands
            for message in batch
            if (command := json.loads(message.value() or b"{}"))
        }
        for link, source in ((links[0], "rest"), (links[3], "websocket")):
            assert link.seq is not None
            assert (by_seq[link.seq]["actor"], by_seq[link.seq]["source"]) == ("tester", source)


@pytest.mark.integration
def test_the_chain_goes_on_after_a_restart_and_without_its_file(system: System, account: str, tmp_path: Path) -> None:
    writer = f"again-{account}"
    for round_ in range(3):
        if round_ == 2:
            (tmp_path / f"audit-{writer}.jsonl").unlink()
        with running(system, name=writer, audit_folder=tmp_path) as gateway, gateway.client(account) as trader:
            gateway.wait_ready()
            trader.delete("/api/orders")
            eventually(lambda want=round_: sum(link.writer == writer for link in kept(system)) == want + 1)  # type: ignore[misc]
    assert [link.number for link in kept(system) if link.writer == writer] == [1, 2, 3]
    mine = [(0, msgspec.json.encode(link)) for link in kept(system) if link.writer == writer]
    assert verify(mine, whole=True).ok
    checked = subprocess.run(
        [sys.executable, "-m", "infra.cli", "audit", "--chain"],
        env=system.environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert checked.returncode == 0, checked.stdout
    assert "every chain holds" in checked.stdout


def test_a_full_disk_makes_links_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The disk has room for half of the second one; what is missing follows where it broke off."""
    path = tmp_path / "audit-one.jsonl"
    links = [read(as_json(link)) for link in chain("one", 4)]
    file = ChainFile(path)
    file.append(links[0])
    room = len(links[1].json) // 2

    def write(number: int, data: bytes) -> int:
        nonlocal room
        taken = real_write(number, data[:room]) if room else 0
        room -= taken
        if not taken:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return taken

    real_write = os.write
    with monkeypatch.context() as full:
        full.setattr(os, "write", write)
        file.append(links[1])
        file.append(links[2])
        assert file.lags
    assert [record.message for record in caplog.records] == [
        f"{path} cannot be written, the audit trail waits in memory: No space left on device"
    ]
    file.append(links[3])
    assert not file.lags
    file.close()
    assert ChainFile(path).links == links
    assert caplog.records[-1].message == f"{path} is written again: the audit trail is whole"


@pytest.mark.integration
def test_nothing_is_sent_that_the_file_has_not(
    system: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, account: str
) -> None:
    writer = f"full-{account}"
    trail = AuditTrail(system.settings.bootstrap, tmp_path, writer, is_new=True)

    def add(action: str) -> None:
        trail.operation("me", "here", action, "", 200, None, "")

    def arrived() -> list[str]:
        return [link.action for link in kept(system) if link.writer == writer]

    trail.start()
    try:
        add("first")
        assert trail.wait_sent(30)
        with monkeypatch.context() as full:
            full.setattr(ChainFile, "catch_up", lambda file: None)
            add("second")
            assert not trail.wait_sent(2)
            assert arrived() == ["first"]
        assert trail.wait_sent(30), "without another one"
        assert arrived() == ["first", "second"]
    finally:
        trail.close()


def test_what_a_killed_process_left_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "audit" / "audit-one.jsonl"
    links = [read(as_json(link)) for link in chain("one", 3)]
    file = ChainFile(path)
    for link in links:
        file.append(link)
    file.close()
    with path.open("ab") as torn:
        torn.write(b'{"v":1,"writer":"one","num')
    again = ChainFile(path)
    assert again.links == links
    again.begin_again(links[2:])
    again.append(links[2])
    again.close()
    assert ChainFile(path).links == [links[2], links[2]]
