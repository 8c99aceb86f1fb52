"""How long commands spend on each leg of their way, for every process that they pass through."""

from __future__ import annotations

from typing import Final

from prometheus_client import REGISTRY

from engine.durations import Durations

LEGS: Final = Durations("hft_order_leg_seconds", "Time that commands spend on each leg of their way.", "leg")
REGISTRY.register(LEGS)
