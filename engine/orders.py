"""A working order: what matching reads of it at every step (`ORDER`, one cache line), and the rest (`TERMS`)."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

ORDER: Final = np.dtype(
    [
        ("prev", "<u4"),
        ("next", "<u4"),  # also links the free slots
        ("leaves", "<i8"),  # lots; 0 = the slot is free
        ("quantity", "<i8"),  # lots; filled = quantity − leaves
        ("notional", "<i8"),  # ticks × lots traded so far
        ("order_id", "<u8"),
        ("level", "<u4"),  # of the queue that it stands in, or of the limit that it matches to
        ("account", "<u4"),
        ("instrument", "<u4"),
        ("client", "<u4"),  # its record among the client order ids
        ("side", "u1"),
        ("order_type", "u1"),
        ("time_in_force", "u1"),
        ("source", "u1"),
        ("flags", "u1"),  # the command's
        ("self_trade_prevention", "u1"),  # 1 to 5
        ("place", "u1"),
        ("traits", "u1"),
    ]
)
"""64 bytes."""

NOWHERE: Final = 0  # being matched, or not yet entered
BOOK: Final = 1
STOPS: Final = 2
ACTIVATION: Final = 3
PARKED: Final = 4
HELD: Final = 5

COUNTED: Final = 1  # in the account's open lots, and reserved
EXTENDED: Final = 2  # its reports show more than a plain order's: stop, trail, display, expiry or list
ICEBERG: Final = 4
LISTED: Final = 8  # it has links to other orders
TRIGGERED: Final = 16  # its stop condition was met
RELEASED: Final = 32  # a child that waits for its `enter`
CHECKED: Final = 64  # a child that is checked once more at its `enter`
UNCOUNTED: Final = 128  # never counted: the other leg is

TERMS: Final = np.dtype(
    [
        ("reserve_rate", "<i8"),  # money units a lot
        ("reserved_lots", "<i8"),
        ("maker_fee_ppm", "<i4"),
        ("taker_fee_ppm", "<i4"),
        ("limit_price", "<i8"),  # ticks, 0 = none
        ("stop_price", "<i8"),  # ticks
        ("expires_ns", "<i8"),
        ("display", "<i8"),  # lots
        ("shown", "<i8"),  # lots
        ("trail", "<i8"),
        ("extreme", "<i8"),  # ticks: best price that a trailing stop has seen
        ("list_id", "<u8"),
        ("sibling", "<u4"),  # slots: the other leg of an OCO pair
        ("parent", "<u4"),
        ("first_child", "<u4"),
        ("second_child", "<u4"),
        ("trailing_prev", "<u4"),  # links of the instrument's trailing stops
        ("trailing_next", "<u4"),
        ("pad", "S16"),
    ]
)
"""128 bytes. `reserve_rate` to `limit_price` hold for every order, the rest where a trait says so."""

CACHE_LINE: Final = 64


def aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Zeros whose first byte begins a cache line, so that a record of 64 bytes does not lie across two."""
    size = int(np.prod(shape)) * dtype.itemsize
    memory = np.zeros(size + CACHE_LINE, np.uint8)
    start = -memory.ctypes.data % CACHE_LINE
    return memory[start : start + size].view(dtype).reshape(shape)
