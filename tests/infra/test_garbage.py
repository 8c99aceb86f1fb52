"""How often a service looks for cycles of objects; in a process of its own, since that is the process's."""

from __future__ import annotations

import subprocess
import sys

SERVICE = """
import gc
from infra.garbage import SEARCH_AFTER, rarely

told = []
before = gc.get_threshold()
ready = rarely(lambda: told.append(gc.get_freeze_count()))
print(gc.get_threshold()[0] == SEARCH_AFTER > before[0], gc.get_freeze_count(), told)
here = [[] for _ in range(1000)]
cycle = []
cycle.append(cycle)
del cycle
ready()
print(told[0] >= len(here), gc.collect())
"""


def test_what_is_there_when_it_is_ready_is_not_looked_through_again() -> None:
    done = subprocess.run([sys.executable, "-c", SERVICE], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines() == ["True 0 []", "True 0"]
