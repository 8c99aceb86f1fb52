"""How the hot path is compiled, and the few bit operations that Numba has no word for.

With `NUMBA_DISABLE_JIT=1` everything runs as plain Python: slow, but a debugger and a coverage tool see every line.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array
from numba.np.numpy_support import as_dtype
from numpy.typing import NDArray

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


# ---------------------------------------------------------------------------------------- arrays by their addresses


def addresses(arrays: Any) -> NDArray[np.int64]:
    """Of every array of a tuple (of tuples), in their order: the address, then the length of each axis. Numba looks at
    each array that a call hands over, a quarter of a microsecond each; this is one for all. It keeps none of them
    alive. C-contiguous arrays only."""
    return np.array(list(_places(arrays)), np.int64)


def _places(arrays: Any) -> Iterator[int]:
    for item in arrays:
        if isinstance(item, tuple):
            yield from _places(item)
        else:
            assert item.flags.c_contiguous
            yield item.ctypes.data
            yield from item.shape


def _array_at(context: Any, builder: Any, kind: Any, address: Any, shape: list[Any]) -> Any:
    """The array of a Numba type that lies at an address."""
    array = context.make_array(kind)(context, builder)
    size = ir.Constant(ir.IntType(64), as_dtype(kind.dtype).itemsize)
    strides = [size]
    for length in reversed(shape[1:]):
        strides.insert(0, builder.mul(strides[0], length))
    data = builder.inttoptr(address, array.data.type)
    populate_array(array, data=data, shape=shape, strides=strides, itemsize=size, meminfo=None)  # type: ignore[no-untyped-call]
    return array._getvalue()


def opener(example: Any) -> Any:
    """A function for compiled code: from what `addresses` gave back to the tuple, which is like the example."""
    kind = numba.typeof(example)  # type: ignore[no-untyped-call]

    @intrinsic
    def open_arrays(context: Any, table: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            words = context.make_array(signature.args[0])(context, builder, arguments[0]).data
            places = count()

            def word() -> Any:
                return builder.load(builder.gep(words, [ir.Constant(ir.IntType(64), next(places))]))

            def build(part: Any) -> Any:
                if isinstance(part, types.BaseTuple):
                    return context.make_tuple(builder, part, [build(item) for item in part.types])  # type: ignore[attr-defined]
                address = word()
                return _array_at(context, builder, part, address, [word() for _ in range(part.ndim)])

            return build(kind)

        return kind(table), generate

    return open_arrays


def _view(item: Any) -> Any:
    """An intrinsic: records as rows of such items, in the same memory."""

    @intrinsic
    def view(context: Any, records: Any) -> Any:
        kind = types.Array(item, 2, "C")

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            array = context.make_array(signature.args[0])(context, builder, arguments[0])
            size = as_dtype(records.dtype).itemsize // as_dtype(item).itemsize
            shape = [builder.extract_value(array.shape, 0), ir.Constant(ir.IntType(64), size)]
            return _array_at(context, builder, kind, builder.ptrtoint(array.data, ir.IntType(64)), shape)

        return kind(records), generate

    return view


# ---------------------------------------------------------------------------------------------------------- bits


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
    as_words: Any = _view(types.uint64)
    """Records as rows of 64-bit words, in the same memory."""
    as_bytes: Any = _view(types.uint8)
    prefetch: Any = _prefetch
    """prefetch(array, index, offset): asks for the cache line with this byte of an element, counted along the memory;
    it need not be there."""
    trailing_zeros = _bit_scan("llvm.cttz.i64")
    """Index of the lowest bit set; undefined for 0."""
    leading_zeros = _bit_scan("llvm.ctlz.i64")
    """63 − index of the highest bit set; undefined for 0."""
else:

    def as_words(records: Any) -> Any:
        return records.view("<u8").reshape(len(records), records.dtype.itemsize // 8)

    def as_bytes(records: Any) -> Any:
        return records.view("u1").reshape(len(records), records.dtype.itemsize)

    def prefetch(array: Any, index: Any, offset: Any) -> None:
        pass

    def trailing_zeros(word: Any) -> int:
        value = int(word)
        return (value & -value).bit_length() - 1

    def leading_zeros(word: Any) -> int:
        return 64 - int(word).bit_length()
