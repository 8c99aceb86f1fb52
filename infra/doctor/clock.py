"""The clock: whether it is kept right, and how far the servers' clocks are from ours."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from typing import Final

from infra.doctor.finding import Finding, advice, ok, problem, unknown

UNSYNCHRONISED: Final = 0x40
"""STA_UNSYNC of adjtimex(2)."""
SKEW_MAX_MS: Final = 50.0

Reading = tuple[float, float, float]
"""(our time before, the server's time, our time after), in seconds since the epoch."""


class _Timex(ctypes.Structure):
    _fields_ = (("modes", ctypes.c_uint), ("offset", ctypes.c_long), ("freq", ctypes.c_long),
                ("maxerror", ctypes.c_long), ("esterror", ctypes.c_long), ("status", ctypes.c_int),
                ("rest", ctypes.c_byte * 256))  # fmt: skip


def kernel_status() -> int | None:
    """The status bits of adjtimex(2); None where the call is not allowed."""
    timex = _Timex()
    if ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex)) < 0:
        return None
    return int(timex.status)


def findings(status: int | None, servers: dict[str, Callable[[], Reading]]) -> Iterator[Finding]:
    """`servers`: name → a reading of that server's clock; one that cannot be read raises `OSError`."""
    yield _synchronised(status)
    for name, read in servers.items():
        try:
            reading = read()
        except OSError as error:
            yield unknown(f"clock of {name}", str(error))
        else:
            yield skew(f"clock of {name}", reading)


def _synchronised(status: int | None) -> Finding:
    name = "clock synchronisation"
    if status is None:
        return unknown(name, "adjtimex is not allowed here")
    if not status & UNSYNCHRONISED:
        return ok(name, "the kernel's clock is being kept right")
    return advice(
        name,
        "nobody keeps the kernel's clock right",
        "stamps drift from those of other machines; order within this one is by seq and stays right",
        "apt-get install chrony, or the time service of your host",
    )


def skew(name: str, reading: Reading) -> Finding:
    """How far the server's clock is from ours, as far as the round trip lets one say."""
    before, there, after = reading
    off = there - (before + after) / 2
    doubt = (after - before) / 2
    found = f"{off * 1000:+.1f} ms (± {doubt * 1000:.1f} ms)"
    if (abs(off) - doubt) * 1000 <= SKEW_MAX_MS:
        return ok(name, found)
    return problem(
        name, found, "tokens expire early or late, and latencies between machines are wrong", "chrony on both machines"
    )
