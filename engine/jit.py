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
    "orders.py",
    "book.py",
    "clients.py",
    "ledger.py",
    "state.py",
    "checks.py",
    "reports.py",
    "risk.py",
    "stops.py",
    "endings.py",
    "matching.py",
    "auction.py",
    "entering.py",
    "lists.py",
    "changes.py",
    "sweeps.py",
    "lookahead.py",
    "running.py",
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


INSIDE: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
"""Only compiled code calls these: without the doors for Python they compile in half the time."""


def compiled(function: Any) -> Any:
    """A function of the hot path."""
    return numba.njit(**OPTIONS, **INSIDE)(function)


def entry(function: Any) -> Any:
    """A function that Python calls: its machine code is kept in Numba's cache on disk."""
    return numba.njit(cache=True, **OPTIONS)(function)


def inlined(function: Any) -> Any:
    """A leaf of the hot path, copied into its callers: a call hands over every array of the state, some 15 ns."""
    return numba.njit(forceinline=True, **OPTIONS, **INSIDE)(function)


def merged(function: Any) -> Any:
    """A part of one function only, put into it before anything is compiled: a library of its own would be compiled and
    optimized twice."""
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


@intrinsic
def _prefetch(_context: Any, array: Any, index: Any, offset: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        memory = context.make_array(signature.args[0])(context, builder, arguments[0])
        byte, word = ir.IntType(8), ir.IntType(32)
        record = builder.bitcast(builder.gep(memory.data, [arguments[1]]), byte.as_pointer())
        place = builder.gep(record, [arguments[2]], source_etype=byte)
        signature_ir = ir.FunctionType(ir.VoidType(), [byte.as_pointer(), word, word, word])
        function: Any = cgutils.get_or_insert_function(builder.module, signature_ir, "llvm.prefetch.p0")  # type: ignore[no-untyped-call]
        builder.call(function, [place, ir.Constant(word, 1), ir.Constant(word, 3), ir.Constant(word, 1)])
        return context.get_dummy_value()

    return types.void(array, types.int64, types.int64), generate


if COMPILED:
    prefetch: Any = _prefetch
    """prefetch(array, index, offset): asks for the cache line with this byte of an element, counted along the memory;
    it need not be there."""
    trailing_zeros = _bit_scan("llvm.cttz.i64")
    """Index of the lowest bit set; undefined for 0."""
    leading_zeros = _bit_scan("llvm.ctlz.i64")
    """63 − index of the highest bit set; undefined for 0."""
else:

    def prefetch(array: Any, index: Any, offset: Any) -> None:
        pass

    def trailing_zeros(word: Any) -> int:
        value = int(word)
        return (value & -value).bit_length() - 1

    def leading_zeros(word: Any) -> int:
        return 64 - int(word).bit_length()
