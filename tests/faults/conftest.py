"""The system that is killed, and the figures and the seed in pytest's summary, whatever came out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.faults.run import figures
from tests.faults.settings import KILL_LIMIT_S, KILLS, SEED
from tests.system import START_LIMIT_S, System, running_system


@pytest.fixture(scope="package")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Of these tests' own: what is killed often is started late. Snapshots come often, so that recoveries begin with
    them, and kills meet engines that write one."""
    with running_system(tmp_path_factory.mktemp("faults") / "var", snapshot_seconds=2) as system:
        yield system


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("faults") is not None:
            item.add_marker(pytest.mark.timeout(START_LIMIT_S + 300 + KILLS * KILL_LIMIT_S), append=False)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if figures:
        terminalreporter.section(f"faults, HFT_SEED={SEED}")
        for line in figures:
            terminalreporter.line(line)
