"""The whole system for tests: `hft up` as a person would start it, on free ports, under a folder of its own."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from engine.tokens import Identity, issue
from infra import state
from infra.folders import Folders
from infra.ports import free_ports
from infra.process import Process, Program
from infra.secrets import jwt_secret
from infra.settings import Settings

START_LIMIT_S = 400.0
"""The first start on a machine downloads Kafka and the page's packages and compiles the matcher."""

OF_THE_MACHINE = ("cache", "maven_mirror", "java", "node")
"""Settings that tests take from the environment; no other of it reaches them."""


@contextmanager
def running(program: Program) -> Iterator[Process]:
    """A server of its own, from when it is ready until the block ends."""
    process = Process(program)
    try:
        process.wait_ready()
        yield process
    finally:
        process.stop()


@dataclass(frozen=True)
class System:
    settings: Settings
    folders: Folders

    @property
    def url(self) -> str:
        """Of the gateway."""
        return self.settings.gateway

    @property
    def secret(self) -> str:
        return jwt_secret(self.settings.jwt_secret, self.folders.secrets)

    @property
    def environment(self) -> dict[str, str]:
        """For a program that is started beside it (`hft …`)."""
        return {**os.environ, **self.settings.environment()}

    @property
    def state(self) -> state.State:
        found = state.read(self.folders.run)
        assert found is not None, "the system has written no state"
        return found

    def service(self, name: str) -> state.ServiceState:
        return next(service for service in self.state.services if service.name == name)

    def token(self, *accounts: str, role: str = "trader", actor: str = "test") -> str:
        """A token for `accounts`, or for every account where none is named."""
        identity = Identity(actor, role, accounts or ("*",))
        return issue(self.secret, identity, now_s=int(time.time()), lifetime_s=3600)

    def kill(self, name: str) -> None:
        """kill -9 of one of its processes: the launcher starts it again."""
        pid = self.service(name).pid
        assert pid is not None, f"{name} does not run"
        os.kill(pid, signal.SIGKILL)

    def processes(self) -> list[psutil.Process]:
        """Everything that was started for this system and still is there."""
        var = str(self.settings.var)
        found = []
        for process in psutil.process_iter():
            try:
                ours = process.environ().get("HFT_VAR") == var or var in " ".join(process.cmdline())
                if ours and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue
        return found


def settings_for(folder: Path, changes: Mapping[str, object]) -> Settings:
    gateway, zeromq, market_data, kafka, postgres, redis = free_ports(6, pairs=True)
    machine = Settings(_env_file=None)  # type: ignore[call-arg]
    values: dict[str, object] = {
        **{name: field.default for name, field in Settings.model_fields.items()},
        **{name: getattr(machine, name) for name in OF_THE_MACHINE},
        "var": folder,
        "gateway_port": gateway,
        "zeromq_port": zeromq,
        "market_data_port": market_data,
        "kafka_port": kafka,
        "postgres_port": postgres,
        "redis_port": redis,
        "market": "none",
        "max_orders": 200_000,
        "demo_password": "demo",
        **changes,
    }
    return Settings(_env_file=None, **values)  # type: ignore[arg-type, call-arg]


@contextmanager
def running_system(folder: Path, **changes: object) -> Iterator[System]:
    """A healthy system with its state in `folder` (started again there, it continues); `changes` are settings.

    At the end it is stopped as by Ctrl-C, and must leave no process behind."""
    system = System(settings_for(folder.absolute(), changes), Folders(folder.absolute()))
    folder.mkdir(parents=True, exist_ok=True)

    def healthy() -> bool:
        found = state.read(system.folders.run)
        return found is not None and found.pid == launcher.pid and found.phase == "healthy"

    launcher = Process(
        Program(
            name="hft up",
            command=(sys.executable, "-m", "infra.cli", "up"),
            log=folder / "up.log",
            environment=system.settings.environment(),
            probe=healthy,
            start_limit_s=START_LIMIT_S,
            stop_signal=signal.SIGINT,
        )
    )
    try:
        launcher.wait_ready()
        yield system
    finally:
        launcher.stop(limit_s=15.0)
        left = system.processes()
        for process in left:
            process.kill()
    assert launcher.exit_code == 0, launcher.obituary()
    assert left == []
