"""`hft restart`: one process after the other, told to end and awaited; with a launcher of tiny programs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra import state
from infra.errors import OperatorError
from infra.folders import Folders, folders
from infra.restart import ORDER, order, restart
from infra.services import SERVICES

LAUNCHER = """
import sys, time
from pathlib import Path
from infra.folders import folders
from infra.process import Program
from infra.state import RunLock, State, write
from infra.supervisor import Supervisor

CHILD = '''
import pathlib, signal, sys, time
name, mark = sys.argv[1], pathlib.Path(sys.argv[2])
broken = mark.with_name(name + ".broken").exists()
signal.signal(signal.SIGTERM, signal.SIG_IGN if name == "audit" else lambda number, frame: sys.exit(0))
if broken:
    sys.exit("no such thing")
mark.touch()
while True:
    time.sleep(60)
'''
where = folders(Path(sys.argv[1]))
where.create()
lock = RunLock.take(where)
kept = State(pid=__import__("os").getpid(), phase="healthy")
def changed(states):
    kept.services = states
    write(where.run, kept)
supervisor = Supervisor(changed)
for name in ("kafka", "engine", "gateway", "gateway-2", "audit"):
    mark = where.mark(name)
    supervisor.start(
        Program(name=name, command=(sys.executable, "-c", CHILD, name, str(mark)), log=where.log(name),
                probe=mark.exists, prepare=lambda mark=mark: mark.unlink(missing_ok=True)), 0)
print("up", flush=True)
while True:
    supervisor.tend()
    time.sleep(0.02)
"""


@pytest.fixture(scope="module")
def launched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Folders]:
    where = folders(tmp_path_factory.mktemp("var"))
    with subprocess.Popen((sys.executable, "-c", LAUNCHER, str(where.var)), stdout=subprocess.PIPE) as launcher:
        assert launcher.stdout is not None
        assert launcher.stdout.readline() == b"up\n"
        yield where
        launcher.kill()  # its children are ended by the kernel


def pids(where: Folders) -> dict[str, int | None]:
    found = state.read(where.run)
    assert found is not None
    return {service.name: service.pid for service in found.services}


def test_what_reads_is_before_what_writes() -> None:
    assert set(ORDER) == SERVICES.keys()
    found = order(["kafka", "postgres", "engine", "gateway-10", "gateway-2", "gateway", "streams-2", "streams"])
    assert found == ["streams", "streams-2", "engine", "gateway", "gateway-2", "gateway-10"]


def test_each_is_a_new_process_and_the_others_are_left_alone(launched: Folders) -> None:
    before, said = pids(launched), list[str]()
    restart(launched, ["gateway", "gateway-2"], said.append)
    after = pids(launched)
    assert {name for name in before if before[name] != after[name]} == {"gateway", "gateway-2"}
    assert [line.partition(":")[0] for line in said] == ["gateway", "gateway-2"]


def test_what_cannot_be_restarted_is_said(launched: Folders, tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match=r"^kafka is none of .* here: audit, engine, gateway, gateway-2$"):
        restart(launched, ["kafka"], print)
    with pytest.raises(OperatorError, match=r"^audit \(pid \d+\) does not end: kill -9 \d+ ends it"):
        restart(launched, ["audit"], print, end_s=0.5)
    with pytest.raises(OperatorError, match=r"^nothing runs in "):
        restart(folders(tmp_path), [], print)
    (launched.run / "engine.broken").touch()
    with pytest.raises(OperatorError, match=r"^engine does not start again: engine ended with code 1: no such thing"):
        restart(launched, ["engine", "gateway"], print)
    with pytest.raises(OperatorError, match=r"^engine is (re)?starting: hft restart wants it ready first"):
        restart(launched, ["engine"], print)
