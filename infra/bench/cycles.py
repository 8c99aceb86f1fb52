"""The processor's own clock, read from compiled code: what a single operation took."""

from __future__ import annotations

import platform
import time
from typing import Any, Final

import numba
from llvmlite import binding, ir
from numba.core import types
from numba.extending import intrinsic

from engine.jit import entry
from infra.errors import OperatorError

READ: Final = {
    "x86_64": (
        "rdtscp; shl $$32, %rdx; or %rdx, %rax",
        "={rax},~{rdx},~{rcx},~{memory},~{dirflag},~{fpsr},~{flags}",
    ),
    "aarch64": ("isb; mrs $0, cntvct_el0", "=r,~{memory}"),
}
"""By machine: the instructions, and what they write."""
binding.initialize_native_asmparser()

CALIBRATION_SECONDS: Final = 0.1
EMPTY_READS: Final = 100_000


@intrinsic
def _ticks(context: Any) -> Any:
    """Ticks of the processor's constant clock, as an unsigned 64-bit number."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        instructions, writes = READ[platform.machine()]
        kind: Any = ir.FunctionType(ir.IntType(64), [])
        return builder.call(ir.InlineAsm(kind, instructions, writes, True), [])

    return types.uint64(), generate


ticks: Any = _ticks
"""Its first argument is the compiler's: callers give none."""


@entry
def now() -> Any:
    return ticks()


@entry
def least_gap() -> Any:
    """Ticks between two readings with nothing between them."""
    least = numba.uint64(1 << 40)
    for _ in range(EMPTY_READS):
        before = ticks()
        least = min(least, ticks() - before)
    return least


def check_machine() -> None:
    """Raises `OperatorError` where we cannot read the clock."""
    if platform.machine() not in READ:
        raise OperatorError(f"single operations can be timed on {' and '.join(READ)}, not on {platform.machine()}")


def ns_per_tick() -> float:
    """Measured against the system's clock."""
    now()
    started_ns, started = time.perf_counter_ns(), int(now())
    time.sleep(CALIBRATION_SECONDS)
    ended, ended_ns = int(now()), time.perf_counter_ns()
    return (ended_ns - started_ns) / (ended - started)
