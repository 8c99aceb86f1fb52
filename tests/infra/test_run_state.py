"""The lock and the state file: what a second `hft up`, `hft status`, `hft logs` and `hft down` see."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from infra import state, status
from infra.errors import OperatorError
from infra.folders import Folders
from infra.secrets import jwt_secret
from infra.state import RunLock, ServiceState, State


@pytest.fixture
def var(tmp_path: Path) -> Folders:
    var = Folders(tmp_path / "var")
    var.create()
    return var


def test_a_second_launcher_is_refused(var: Folders) -> None:
    lock = RunLock.take(var)
    with pytest.raises(OperatorError, match=rf"^already running \(pid {os.getpid()}, .*HFT_VAR"):
        RunLock.take(var)
    assert state.holder(var) == os.getpid()
    lock.release()
    assert state.holder(var) is None
    RunLock.take(var).release()


def test_an_unusable_var_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OperatorError, match=r"/file/var cannot be written \(Not a directory\): set HFT_VAR$"):
        Folders(tmp_path / "file" / "var").create()


def test_the_state_of_a_dead_launcher_is_not_shown(var: Folders) -> None:
    state.write(var.run, State(pid=os.getpid(), phase="healthy", services=[ServiceState(name="kafka", state="ready")]))
    assert status.running(var) is None
    lock = RunLock.take(var)
    shown = status.running(var)
    lock.release()
    assert shown is not None
    assert shown.services[0].name == "kafka"


def test_down_without_a_run(var: Folders) -> None:
    assert status.down(var) == f"nothing runs in {var.var}"


def test_logs(var: Folders) -> None:
    var.log("engine").write_text("".join(f"line {number}\n" for number in range(100)))
    var.log("kafka").write_text("up\n")
    out = io.StringIO()
    status.logs(var, ["engine"], follow=False, out=out)
    assert out.getvalue().splitlines() == [f"line {number}" for number in range(60, 100)]
    out = io.StringIO()
    status.logs(var, [], follow=False, out=out)
    assert out.getvalue().splitlines()[-1] == "kafka: up"
    with pytest.raises(OperatorError, match=r"^nothing has no log: there are engine, kafka$"):
        status.logs(var, ["nothing"], follow=False, out=out)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0s"), (59, "59s"), (61, "1m01s"), (3725, "1h02m"), (90000, "1d01h")]
)
def test_durations(seconds: float, text: str) -> None:
    assert status.duration(seconds) == text


def test_the_secret_is_made_once_and_private(var: Folders) -> None:
    with pytest.raises(OperatorError, match="HFT_JWT_SECRET"):
        jwt_secret("", var.secrets)
    first = jwt_secret("", var.secrets, create=True)
    assert len(first) >= 48
    assert jwt_secret("", var.secrets, create=True) == first == jwt_secret("", var.secrets)
    mine = "m" * 32
    assert jwt_secret(mine, var.secrets) == mine
    with pytest.raises(OperatorError, match="fewer than 32"):
        jwt_secret(mine[1:], var.secrets)
    assert (var.secrets.stat().st_mode & 0o777, (var.secrets / "jwt").stat().st_mode & 0o777) == (0o700, 0o600)
