"""The stream as COMMAND records: what clients would have sent to make it."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.jit import entry
from engine.layout import COMMAND
from engine.words import CommandType, OrderType, TimeInForce
from infra.bench.book_loop import Run, allocate, apply
from infra.bench.id_index import find
from infra.bench.stream import CANCEL, NEW, REPLACE, Stream

ACCOUNTS: Final = 1000
ID_BYTES: Final = 20
COMMAND_GAP_NS: Final = 1000
SPREAD: Final = 2654435761
"""Odd, so that neighbouring orders belong to accounts far apart."""


@entry
def totals_asked(run: Run, records: Any, shift: Any, total: Any, quantities: Any) -> None:
    """Runs the stream on the book alone. `quantities` (n,): what each command asks for, where a replace gives the
    order's whole quantity, its filled part included; `total` (ids + 1,): the same by order."""
    orders = run.books.orders
    for i in range(records.shape[0]):
        order_id = np.int64(records[i]["id"])
        quantity = np.int64(records[i]["quantity"])
        if records[i]["op"] == REPLACE:
            slot = find(run.ids, shift, orders, records[i]["id"])
            if slot != 0:
                quantity += total[order_id] - orders["leaves"][slot]
        total[order_id] = quantity
        quantities[i] = quantity
        apply(run, records[i], shift)


def client_order_ids(numbers: NDArray[Any]) -> NDArray[np.bytes_]:
    """ID_BYTES characters for each number."""
    digits = np.zeros((len(numbers), ID_BYTES), np.uint8)
    digits[:, 0] = ord("c")
    rest = numbers.astype(np.int64)
    for place in range(ID_BYTES - 1, 0, -1):
        digits[:, place] = ord("0") + rest % 10
        rest = rest // 10
    return digits.view(f"S{ID_BYTES}").reshape(-1)


def commands(stream: Stream, *, instrument: int, first_seq: int, start_ns: int, by_order_id: bool) -> NDArray[Any]:
    """COMMAND records of the whole stream (prefill too), sequenced from `first_seq` on, a microsecond apart. Account
    numbers are 1 to ACCOUNTS. Cancels and replaces name the order by its number, or by its client order id."""
    source = stream.records
    count = len(source)
    run = allocate(stream.prefill, stream.room)
    quantities = np.zeros(count, np.int64)
    totals_asked(run, source, run.shift, np.zeros(stream.max_id + 1, np.int64), quantities)
    seqs = np.arange(first_seq, first_seq + count)
    order_ids = np.zeros(stream.max_id + 1, np.uint64)
    new = source["op"] == NEW
    order_ids[source["id"][new]] = seqs[new]

    made = np.zeros(count, COMMAND)
    made["seq"] = seqs
    made["ts_ns"] = start_ns + COMMAND_GAP_NS * np.arange(count)
    made["account"] = 1 + (source["id"] * np.uint64(SPREAD) >> np.uint64(8)) % np.uint64(ACCOUNTS)
    made["instrument"] = instrument
    made["source_partition"] = -1
    made["source_offset"] = -1
    cancel = source["op"] == CANCEL
    made["type"] = np.where(new, CommandType.NEW, np.where(cancel, CommandType.CANCEL, CommandType.REPLACE))
    made["quantity"] = np.where(cancel, 0, quantities)
    made["limit_price"] = np.where(cancel, 0, source["price"])
    made["side"][new] = source["side"][new] + 1
    made["order_type"][new] = int(OrderType.LIMIT)
    made["time_in_force"][new] = int(TimeInForce.GTC)
    if by_order_id:
        made["order_id"][~new] = order_ids[source["id"][~new]]
        made["client_order_id"][new] = client_order_ids(source["id"][new])
    else:
        made["client_order_id"] = client_order_ids(source["id"])
    return made
