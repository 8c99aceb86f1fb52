"""Python's search for cycles of objects, in processes where all that stands still is somebody's order."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Final

SEARCH_AFTER: Final = 50_000
"""Objects that were made and are still there, between two searches among the youngest. Records and messages form no
cycles, and thousands of them wait for Kafka at once: with Python's own 700 the gateway spent a twelfth of a request on
searches that found nothing."""


def rarely(ready: Callable[[], None]) -> Callable[[], None]:
    """Has this process search rarely from now on; and what is there when it calls the returned `ready` is never looked
    through again: to do so takes tens of milliseconds for what has been imported alone."""
    gc.set_threshold(SEARCH_AFTER)

    def settled() -> None:
        gc.collect()
        gc.freeze()
        ready()

    return settled
