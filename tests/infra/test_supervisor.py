"""Starting, restarting and stopping children: with tiny programs in place of the real ones."""

from __future__ import annotations

import errno
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from infra import kafka, state
from infra.launcher import Launcher, Stopped
from infra.process import Process, ProcessFailed, Program
from infra.progress import for_stream
from infra.settings import Settings
from infra.state import ServiceState
from infra.supervisor import BACKOFF_FIRST_S, Supervisor

CHILD = """
import pathlib, signal, sys, time
name, mark, diary = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
def end(number, frame):
    with diary.open("a") as file:
        file.write(name + "\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
mark.touch()
while True:
    time.sleep(60)
"""
DEAF = """
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path(sys.argv[2]).touch()
while True:
    time.sleep(60)
"""
FAILING = "import sys; print('starting'); sys.exit('no such thing: set HFT_THING')"


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    supervisor = Supervisor(lambda states: None, stop_s=3.0)
    yield supervisor
    supervisor.stop()


def program(folder: Path, name: str, source: str = CHILD) -> Program:
    mark = folder / f"{name}.ready"
    return Program(
        name=name,
        command=(sys.executable, "-c", source, name, str(mark), str(folder / "diary")),
        log=folder / f"{name}.log",
        probe=mark.exists,
        prepare=lambda: mark.unlink(missing_ok=True),
    )


def wait_for(condition: Callable[[], bool], meanwhile: Callable[[], None] = lambda: None) -> None:
    for _ in range(600):
        meanwhile()
        if condition():
            return
        time.sleep(0.02)
    pytest.fail("waited in vain")


def state_of(supervisor: Supervisor, name: str) -> ServiceState:
    return next(state for state in supervisor.states if state.name == name)


def test_stops_in_reverse_order(supervisor: Supervisor, tmp_path: Path) -> None:
    for stage, name in enumerate(("kafka", "engine", "gateway")):
        supervisor.start(program(tmp_path, name), stage)
    pids = [state.pid for state in supervisor.states]
    assert supervisor.healthy
    assert supervisor.stop() == []
    assert (tmp_path / "diary").read_text().split() == ["gateway", "engine", "kafka"]
    assert not any(pid is not None and psutil.pid_exists(pid) for pid in pids)


def test_kills_what_does_not_end(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(program(tmp_path, "kafka"), 0)
    supervisor.start(program(tmp_path, "deaf", DEAF), 1)
    assert supervisor.stop() == ["deaf"]
    assert (tmp_path / "diary").read_text().split() == ["kafka"]


def test_early_death_is_one_line_with_the_last_words(supervisor: Supervisor, tmp_path: Path) -> None:
    with pytest.raises(ProcessFailed) as failure:
        supervisor.start(program(tmp_path, "engine", FAILING), 0)
    log = tmp_path / "engine.log"
    assert str(failure.value) == f"engine ended with code 1: no such thing: set HFT_THING (log: {log})"


def test_death_of_an_earlier_one_ends_the_start_of_the_next(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(program(tmp_path, "kafka"), 0)
    kafka = state_of(supervisor, "kafka").pid
    assert kafka is not None
    never_ready = program(tmp_path, "engine", "import time; time.sleep(60)")
    os.kill(kafka, signal.SIGKILL)
    with pytest.raises(ProcessFailed, match="kafka was ended by SIGKILL"):
        supervisor.start(never_ready, 1)


def test_restarts_what_dies(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(program(tmp_path, "engine"), 0)
    first = state_of(supervisor, "engine").pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: state_of(supervisor, "engine").state == "restarting", supervisor.tend)
    assert not supervisor.healthy
    wait_for(lambda: supervisor.healthy, supervisor.tend)
    engine = state_of(supervisor, "engine")
    assert engine.restarts == 1
    assert engine.pid != first
    assert "was ended by SIGKILL" in engine.last_end, "why can still be seen"


def test_restarts_at_once_what_was_told_to_end(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(program(tmp_path, "engine"), 0)
    entry = supervisor._entries[0]
    for restarts in (1, 2, 3):
        pid = entry.state.pid
        assert pid is not None
        os.kill(pid, signal.SIGTERM)
        wait_for(lambda: entry.state.restarts == restarts, supervisor.tend)  # noqa: B023
        wait_for(lambda: supervisor.healthy, supervisor.tend)
        assert (entry.backoff_s, entry.state.detail) == (BACKOFF_FIRST_S, "")


def test_waits_longer_after_each_death(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(program(tmp_path, "engine"), 0)
    entry = supervisor._entries[0]
    waits = []
    for restarts in range(3):
        pid = entry.state.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: entry.state.state == "restarting", supervisor.tend)
        waits.append(entry.backoff_s)
        entry.restart_at = 0.0
        wait_for(lambda count=restarts: supervisor.healthy and entry.state.restarts == count + 1, supervisor.tend)  # type: ignore[misc]
    assert waits == [1.0, 2.0, 4.0]


PARENT = """
import sys, time
from pathlib import Path
from infra.process import Process, Program
folder = Path(sys.argv[1])
program = Program(name="child", command=("sleep", "600"), log=folder / "log", probe=lambda: True)
print(Process(program).pid, flush=True)
time.sleep(600)
"""


def test_no_child_outlives_a_killed_parent(tmp_path: Path) -> None:
    with subprocess.Popen((sys.executable, "-c", PARENT, str(tmp_path)), stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        wait_for(lambda: psutil.Process(child).name() == "sleep")
        parent.kill()
    wait_for(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    process = Process(Program(name="ghost", command=("/no/such/program",), log=tmp_path / "log", probe=lambda: False))
    with pytest.raises(ProcessFailed, match=r"ghost ended with code 1: .*No such file"):
        process.wait_ready()


def test_a_full_disk_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The launcher goes on, and writes what runs once there is room; what cannot be started is tried again."""
    launcher = Launcher(Settings(var=tmp_path), for_stream(io.StringIO()))
    full = True

    def write(folder: Path, now: state.State) -> None:
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        state.write(folder, now)

    monkeypatch.setattr("infra.launcher.write", write)
    launcher._publish([state.ServiceState(name="engine", state="ready")])
    assert state.read(launcher.folders.run) is None
    full = False
    monkeypatch.setattr("infra.launcher.time.sleep", lambda seconds: launcher._on_signal(15, None))
    with pytest.raises(Stopped):
        launcher.watch()
    written = state.read(launcher.folders.run)
    launcher._lock.release()
    assert written is not None

    def prepare() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    program = Program(name="kafka", command=("true",), log=tmp_path / "kafka.log", prepare=prepare, probe=lambda: True)
    with pytest.raises(ProcessFailed, match=r"kafka cannot be started: .*No space left"):
        Process(program)


def test_kafka_is_not_started_without_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kafka.require_room(tmp_path)
    monkeypatch.setattr("infra.kafka.ROOM_BYTES", 1 << 60)
    with pytest.raises(ProcessFailed, match="kafka is not started with "):
        kafka.require_room(tmp_path)
