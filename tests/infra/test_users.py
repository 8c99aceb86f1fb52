"""`hft user` and `hft key`, against the running system."""

from __future__ import annotations

import getpass
import socket
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import httpx
import msgspec
import pytest

from engine.messages import AuditLink
from engine.topics import AUDIT
from streams.consumer import read_to_end
from tests.gateway.running import eventually
from tests.system import System

pytestmark = pytest.mark.integration


def hft(
    system: System,
    *arguments: str,
    stdin: str = "",
    fails: bool = False,
    environment: Mapping[str, str] | None = None,
) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "infra.cli", *arguments],
        env=environment or system.environment,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode != 0) == fails, done.stderr
    return done.stderr if fails else done.stdout


def login(system: System, password: str) -> httpx.Response:
    return httpx.post(f"{system.url}/api/login", json={"username": "carol", "password": password}, timeout=30)


def test_a_user_from_beginning_to_end(system: System) -> None:
    made = hft(system, "user", "create", "carol", "--account", "demo", "--password-stdin", stdin="first password\n")
    assert made == "user carol made: trader of demo\n"
    again = hft(system, "user", "create", "carol", "--password-stdin", stdin="first password\n", fails=True)
    assert "exists already" in again
    assert "10 to 1024" in hft(system, "user", "create", "dora", "--password-stdin", stdin="short\n", fails=True)
    granted = login(system, "first password").json()
    headers = {"Authorization": f"Bearer {granted['access_token']}"}
    key = httpx.post(f"{system.url}/api/keys", json={"name": "robot"}, headers=headers).json()
    assert f"{key['key_id']} carol 'robot': trader of demo" in hft(system, "key", "list", "carol")
    robot = {"Authorization": f"Bearer {key['token']}"}
    assert httpx.get(f"{system.url}/api/account", headers=robot).status_code == 200
    assert hft(system, "key", "revoke", key["key_id"]) == f"key {key['key_id']} ended\n"
    eventually(lambda: httpx.get(f"{system.url}/api/account", headers=robot).status_code == 401)
    assert httpx.get(f"{system.url}/api/account", headers=headers).status_code == 200
    said = hft(system, "user", "password", "carol", "--password-stdin", stdin="second password\n")
    assert said == "user carol: new password; 1 logins and keys ended\n"
    eventually(lambda: httpx.get(f"{system.url}/api/account", headers=headers).status_code == 401)
    assert login(system, "first password").status_code == 401
    hft(system, "user", "role", "carol", "viewer")
    assert login(system, "second password").json()["role"] == "viewer"
    assert "carol: viewer of demo" in hft(system, "user", "list")
    hft(system, "user", "disable", "carol")
    assert login(system, "second password").status_code == 401
    hft(system, "user", "enable", "carol")
    assert login(system, "second password").status_code == 200
    assert hft(system, "user", "logout", "carol").startswith("user carol: ")
    assert hft(system, "user", "delete", "carol").startswith("user carol deleted")
    assert "there is no user carol" in hft(system, "user", "delete", "carol", fails=True)


def operators_links(system: System) -> list[AuditLink]:
    batches = read_to_end(system.settings.bootstrap, {(AUDIT.name, 0): None}, name="test-operators")
    links = [msgspec.json.decode(message.value() or b"", type=AuditLink) for batch in batches for message in batch]
    return [link for link in links if link.source == "cli"]


def test_all_of_it_is_in_the_audit_trail(system: System) -> None:
    before = len(operators_links(system))
    hft(system, "user", "create", "erin", "--account", "demo", "--password-stdin", stdin="a long password\n")
    hft(system, "user", "create", "erin", "--password-stdin", stdin="a long password\n", fails=True)
    hft(system, "user", "create", "fay", "--password-stdin", stdin="short\n", fails=True)
    hft(system, "user", "list")
    hft(system, "user", "accounts", "erin", "demo", "other")
    hft(system, "key", "revoke", "nokey", fails=True)
    away = {**system.environment, "HFT_POSTGRES_DSN": "postgresql://hft@127.0.0.1:1/hft"}
    hft(system, "user", "disable", "erin", environment=away, fails=True)
    hft(system, "user", "delete", "erin")
    links = operators_links(system)[before:]
    assert [(link.action, link.target, link.status, link.reason) for link in links] == [
        ("hft user create", "erin trader demo", 200, None),
        ("hft user create", "erin trader", 409, "duplicate_username"),
        ("hft user create", "fay trader", 422, "invalid_field"),
        ("hft user accounts", "erin demo other", 200, None),
        ("hft key revoke", "nokey", 404, "not_found"),
        ("hft user disable", "erin", 503, "unavailable"),
        ("hft user delete", "erin", 200, None),
    ]
    assert {(link.actor, link.address) for link in links} == {(getpass.getuser(), socket.gethostname())}
    assert "every chain holds" in hft(system, "audit", "--chain")


def test_what_kafka_does_not_take_goes_out_later_and_once(system: System) -> None:
    before = len(operators_links(system))
    away = {**system.environment, "HFT_KAFKA_BOOTSTRAP": "127.0.0.1:1"}
    hft(system, "user", "logout", "nobody1", environment=away)
    with ThreadPoolExecutor(4) as pool:
        several = [pool.submit(hft, system, "user", "logout", f"nobody{number}") for number in range(2, 6)]
        for command in several:
            command.result()
    links = operators_links(system)[before:]
    assert links[0].target == "nobody1"
    assert sorted(link.target for link in links) == [f"nobody{number}" for number in range(1, 6)]
    assert len({link.writer for link in links}) == 1
    assert "every chain holds" in hft(system, "audit", "--chain")
