"""How the hot path is compiled, and the few bit operations that Numba has no word for.

With `NUMBA_DISABLE_JIT=1` everything runs as plain Python: slow, but a debugger and a coverage tool see every line.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numba
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

COMPILED = not os.environ.get("NUMBA_DISABLE_JIT", "0").strip("0")

SOURCES = (
    "jit.py",
    "words.py",
    "layout.py",
    "codes.py",
    "book.py",
    "clients.py",
    "state.py",
    "checks.py",
    "reports.py",
    "matching.py",
)


def _cache_folder() -> str:
    """One folder for each state of the sources: Numba's own check sees neither a changed helper in another file nor
    a changed constant."""
    digest = hashlib.blake2b(numba.__version__.encode(), digest_size=8)
    for name in SOURCES:
        digest.update(Path(__file__).with_name(name).read_bytes())
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return str(base / "hft" / "numba" / digest.hexdigest())


if not os.environ.get("NUMBA_CACHE_DIR"):
    numba.config.CACHE_DIR = _cache_folder()  # type: ignore[attr-defined]

OPTIONS: dict[str, Any] = {
    # Arrays passed between helpers are not reference-counted: 84 → 21 ns an operation (docs/decisions/0004). A private
    # option of Numba, so Numba is pinned, and nothing inside may allocate.
    "_nrt": False,
    "error_model": "numpy",
    "boundscheck": False,
    "nogil": True,
}


def compiled(function: Any) -> Any:
    """A function of the hot path."""
    return numba.njit(**OPTIONS)(function)


def entry(function: Any) -> Any:
    """A function that Python calls: its machine code is kept in Numba's cache on disk."""
    return numba.njit(cache=True, **OPTIONS)(function)


def inlined(function: Any) -> Any:
    """A small leaf of the hot path, copied into its callers."""
    return numba.njit(inline="always", **OPTIONS)(function)


def _bit_scan(name: str) -> Any:
    @intrinsic
    def scan(context: Any, word: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            signature_ir = ir.FunctionType(ir.IntType(64), [ir.IntType(64), ir.IntType(1)])
            function: Any = cgutils.get_or_insert_function(builder.module, signature_ir, name)  # type: ignore[no-untyped-call]
            return builder.call(function, [arguments[0], ir.Constant(ir.IntType(1), 1)])

        return types.int64(types.uint64), generate

    return scan


if COMPILED:
    trailing_zeros = _bit_scan("llvm.cttz.i64")
    """Index of the lowest bit set; undefined for 0."""
    leading_zeros = _bit_scan("llvm.ctlz.i64")
    """63 − index of the highest bit set; undefined for 0."""
else:

    def trailing_zeros(word: Any) -> int:
        value = int(word)
        return (value & -value).bit_length() - 1

    def leading_zeros(word: Any) -> int:
        return 64 - int(word).bit_length()
