"""`hft user` and `hft key`, against the running system."""

from __future__ import annotations

import subprocess
import sys

import httpx
import pytest

from tests.gateway.running import eventually
from tests.system import System

pytestmark = pytest.mark.integration


def hft(system: System, *arguments: str, stdin: str = "", fails: bool = False) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "infra.cli", *arguments],
        env=system.environment,
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
