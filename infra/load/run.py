"""Sends what is due and hears the answers, in one thread: neither waits for the other."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.answers import in_records
from engine.client import Client
from engine.messages import CancelAll
from engine.words import Outcome
from infra.load.arrivals import poisson
from infra.load.latencies import Level
from infra.load.orders import Orders

FRAME_MOST: Final = 4096
"""Commands that one frame takes."""
LATE_S: Final = 5.0
"""How long answers are waited for after the last order was due."""


def hold(client: Client, orders: Orders, rate: float, seconds: float, seed: int) -> Level:
    """Orders at `rate` for so long. What is due goes out at once, in one frame, whatever has been answered."""
    due = poisson(rate, seconds, seed)
    taken: list[NDArray[np.float64]] = []
    in_flight: dict[int, NDArray[np.int64]] = {}
    sent = refused = heard = 0
    start = time.perf_counter_ns()
    last = start
    limit = start + int((seconds + LATE_S) * 1e9)
    while heard < len(due):
        now = time.perf_counter_ns()
        if now > limit:
            break
        ready = min(int(np.searchsorted(due, now - start, side="right")), sent + FRAME_MOST)
        if ready > sent:
            number = client.send_records(orders.take(ready - sent))
            in_flight[number] = due[sent:ready] + start
            sent = ready
            continue
        until = (int(due[sent]) + start if sent < len(due) else limit) - now
        if not client.answered(until / 1e9):
            continue
        number, payload = client.receive()
        last = time.perf_counter_ns()
        replies = in_records(payload)
        wanted = in_flight.pop(number)
        heard += len(wanted)
        taken.append((last - wanted) / 1000)
        refused += int(np.count_nonzero(replies["outcome"] == int(Outcome.REJECTED)))
    latencies = np.concatenate(taken) if taken else np.empty(0)
    return Level(rate, len(due), latencies, refused, (last - start) / 1e9)


def climb(
    client: Client,
    orders: Orders,
    rates: list[float],
    seconds: float,
    seed: int,
    stop: Callable[[list[Level]], bool],
    say: Callable[[Level], Any],
) -> list[Level]:
    """One level after the other, each drained before the next, until `stop` says that it is enough."""
    levels: list[Level] = []
    for rate in rates:
        level = hold(client, orders, rate, seconds, seed + len(levels))
        levels.append(level)
        say(level)
        if stop(levels):
            break
    return levels


def clean_up(client: Client, account: str, symbol: str) -> None:
    """Cancels what still rests, where cancels were refused or not answered."""
    client.submit([CancelAll(account=account, symbol=symbol)])
