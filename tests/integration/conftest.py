"""Everything in this folder runs against the whole system (`system` of tests/conftest.py) or starts its own."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.integration)
            # A few of them start the system several times, on machines with two slow cores.
            item.add_marker(pytest.mark.timeout(900), append=False)
