"""The figures and the seed of the fault tests stand in pytest's summary, whatever came out."""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults.run import figures
from tests.faults.settings import KILL_LIMIT_S, KILLS, SEED
from tests.system import START_LIMIT_S


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("faults") is not None:
            item.add_marker(pytest.mark.timeout(START_LIMIT_S + 300 + KILLS * KILL_LIMIT_S), append=False)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if figures:
        terminalreporter.section(f"faults, HFT_SEED={SEED}")
        for line in figures:
            terminalreporter.line(line)
