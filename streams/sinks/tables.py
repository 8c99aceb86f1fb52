"""The rows that messages become, and how a batch of them is merged into its table. Pure: text and tuples.

A batch is copied into a temporary table `staged_NAME` and merged from there. Rows carry the wire's decimal texts, which
Postgres reads exactly. `docs/sql.md` has the same mapping for people.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

import msgspec

from engine import messages, topics, words
from streams import orders

Row = tuple[Any, ...]

SHARD_SHIFT: Final = 58
SEQ_SHIFT: Final = 20
PARTITION_SHIFT: Final = 48


class Placed(NamedTuple):
    """A decoded record and where it was read."""

    partition: int
    offset: int
    record: Any


class Table(NamedTuple):
    name: str
    columns: tuple[str, ...]
    """Of the staging table, in the order of a row."""
    rows: Callable[[list[Placed]], Iterable[Row]]
    merge: tuple[str, ...]
    """Statements that take the staged rows over."""

    @property
    def staged(self) -> str:
        return f"staged_{self.name}"

    @property
    def create(self) -> str:
        columns = ", ".join(self.columns)
        return f"CREATE TEMP TABLE {self.staged} ON COMMIT DELETE ROWS AS SELECT {columns} FROM {self.name} WHERE false"

    @property
    def copy(self) -> str:
        return f"COPY {self.staged} ({', '.join(self.columns)}) FROM STDIN"


def report_id(identity: str) -> int:
    """The number of a fill or trade from its `shard.epoch.seq.index`: ascending with (seq, index) within a shard.

    Raises `ValueError` where the text is not made like that."""
    shard, _, seq, index = identity.split(".")
    number = int(index.removeprefix("m"))
    if not (0 <= int(shard) < 32 and 0 < int(seq) < 1 << SHARD_SHIFT - SEQ_SHIFT and 0 <= number < 1 << SEQ_SHIFT):
        raise ValueError(f"{identity!r} is out of range")
    return int(shard) << SHARD_SHIFT | int(seq) << SEQ_SHIFT | number


def _insert(name: str, columns: tuple[str, ...], extra: tuple[tuple[str, str], ...], conflict: str) -> str:
    names = ", ".join((*columns, *(column for column, _ in extra)))
    values = ", ".join((*columns, *(expression for _, expression in extra)))
    return f"INSERT INTO {name} ({names}) SELECT {values} FROM staged_{name} {conflict}"


_TIMESTAMP: Final = (("timestamp", "from_ns(ts_ns)"),)

# ------------------------------------------------------------------------------------------------------- orders

_ORDER_COLUMNS: Final = (
    "order_id",
    "client_order_id",
    "account",
    "symbol",
    "side",
    "quantity",
    "price",
    "order_type",
    "time_in_force",
    "status",
    "filled_qty",
    "remaining_qty",
    "average_price",
    "reason",
    "field",
    "text",
    "strategy",
    "source",
    "created_ns",
    "updated_ns",
    "last_seq",
    "last_index",
    "list_id",
    "expires_ns",
    "display_qty",
    "stop_price",
    "trail_amount",
    "trail_percent",
    "post_only",
    "reduce_only",
)
_ORDER_CHANGES: Final = (
    "quantity",
    "price",
    "order_type",
    "time_in_force",
    "status",
    "filled_qty",
    "remaining_qty",
    "average_price",
    "reason",
    "field",
    "text",
    "updated_at",
    "updated_ns",
    "last_seq",
    "last_index",
    "list_id",
    "expires_ns",
    "display_qty",
    "stop_price",
    "trail_amount",
    "trail_percent",
    "post_only",
    "reduce_only",
)


def order_rows(placed: list[Placed]) -> list[Row]:
    """One row for each order that the reports change: its last state in the batch.

    A rejected order gives its client_order_id up to another order of the account, as `ORDERS.merge` does between the
    batch and the table."""
    latest: dict[str, messages.Order] = {}
    for _, _, event in placed:
        order = orders.fold(latest.get(event.order_id), event)
        if order is not None:
            latest[event.order_id] = order
    holders: dict[tuple[str, str], messages.Order] = {}
    for order in latest.values():
        identity = (order.account, order.client_order_id)
        if identity not in holders or _precedes(holders[identity], order):
            holders[identity] = order
    return [
        (
            int(order.order_id),
            order.client_order_id if holders[order.account, order.client_order_id] is order else None,
            order.account,
            order.symbol,
            order.side,
            order.quantity,
            order.limit_price,
            order.order_type,
            order.time_in_force,
            order.status,
            order.filled_quantity,
            order.leaves_quantity,
            order.average_price,
            order.reason,
            order.field,
            order.text,
            order.strategy,
            order.source,
            order.created_ns,
            order.updated_ns,
            order.last_seq,
            order.last_index,
            None if order.list_id is None else int(order.list_id),
            order.expires_ns,
            order.display_quantity,
            order.stop_price,
            order.trail_amount,
            order.trail_percent,
            order.post_only,
            order.reduce_only,
        )
        for order in latest.values()
    ]


def _precedes(holder: messages.Order, order: messages.Order) -> bool:
    """Whether the client_order_id goes from `holder` to `order`."""
    rejected = words.OrderStatus.REJECTED.wire
    if (holder.status == rejected) != (order.status == rejected):
        return holder.status == rejected
    return int(holder.order_id) < int(order.order_id)


ORDERS: Final = Table(
    "orders",
    _ORDER_COLUMNS,
    order_rows,
    (
        "UPDATE staged_orders SET client_order_id = NULL WHERE client_order_id = ''",
        """
        UPDATE staged_orders AS staged SET client_order_id = NULL FROM orders
        WHERE staged.status = 'rejected'
          AND (orders.account, orders.client_order_id) = (staged.account, staged.client_order_id)
          AND orders.order_id <> staged.order_id
          AND (orders.status <> 'rejected' OR orders.order_id > staged.order_id)
        """,
        """
        UPDATE orders SET client_order_id = NULL FROM staged_orders AS staged
        WHERE orders.status = 'rejected'
          AND (orders.account, orders.client_order_id) = (staged.account, staged.client_order_id)
          AND orders.order_id <> staged.order_id
        """,
        _insert(
            "orders",
            _ORDER_COLUMNS,
            (("created_at", "from_ns(created_ns)"), ("updated_at", "from_ns(updated_ns)")),
            "ON CONFLICT (order_id) DO UPDATE SET "
            + ", ".join(f"{column} = excluded.{column}" for column in _ORDER_CHANGES)
            + " WHERE (excluded.last_seq, excluded.last_index) > (orders.last_seq, orders.last_index)",
        ),
    ),
)

# ------------------------------------------------------------------------------------------------- fills, trades

_EXECUTION_COLUMNS: Final = (
    "id",
    "order_id",
    "client_order_id",
    "account",
    "symbol",
    "side",
    "fill_price",
    "fill_qty",
    "fee",
    "liquidity",
    "trade_id",
    "fill_id",
    "strategy",
    "seq",
    "index",
    "ts_ns",
    "transact_ns",
)


def execution_rows(placed: list[Placed]) -> list[Row]:
    return [
        (
            report_id(fill.fill_id),
            int(fill.order_id),
            fill.client_order_id,
            fill.account,
            fill.symbol,
            fill.side,
            fill.price,
            fill.quantity,
            fill.fee,
            fill.liquidity,
            fill.trade_id,
            fill.fill_id,
            fill.strategy,
            fill.seq,
            fill.index,
            fill.ts_ns,
            fill.transact_ns,
        )
        for _, _, fill in placed
    ]


EXECUTIONS: Final = Table(
    "executions",
    _EXECUTION_COLUMNS,
    execution_rows,
    (_insert("executions", _EXECUTION_COLUMNS, _TIMESTAMP, "ON CONFLICT (id, timestamp) DO NOTHING"),),
)

_TRADE_COLUMNS: Final = (
    "id",
    "trade_id",
    "symbol",
    "price",
    "quantity",
    "aggressor_side",
    "hidden",
    "seq",
    "index",
    "ts_ns",
    "transact_ns",
    "event_ns",
)


def trade_rows(placed: list[Placed]) -> list[Row]:
    return [
        (
            report_id(trade.trade_id),
            trade.trade_id,
            trade.symbol,
            trade.price,
            trade.quantity,
            trade.aggressor_side,
            trade.hidden,
            trade.seq,
            trade.index,
            trade.ts_ns,
            trade.transact_ns,
            trade.transact_ns or trade.ts_ns,
        )
        for _, _, trade in placed
    ]


TRADES: Final = Table(
    "trades",
    _TRADE_COLUMNS,
    trade_rows,
    (_insert("trades", _TRADE_COLUMNS, _TIMESTAMP, "ON CONFLICT (id, timestamp) DO NOTHING"),),
)

# ---------------------------------------------------------------------------------------------- positions, P&L

_POSITION_COLUMNS: Final = (
    "account",
    "symbol",
    "quantity",
    "average_price",
    "cost",
    "realized_pnl",
    "fees",
    "bought_quantity",
    "sold_quantity",
    "last_price",
    "last_seq",
    "last_index",
    "ts_ns",
)
_HISTORY_COLUMNS: Final = tuple(
    column for column in _POSITION_COLUMNS if column not in ("bought_quantity", "sold_quantity")
)


def position_rows(placed: list[Placed]) -> list[Row]:
    """The last record of each position."""
    latest = {(record.account, record.symbol): record for _, _, record in placed}
    return [tuple(getattr(record, column) for column in _POSITION_COLUMNS) for record in latest.values()]


def position_history_rows(placed: list[Placed]) -> list[Row]:
    return [tuple(getattr(record, column) for column in _HISTORY_COLUMNS) for _, _, record in placed]


POSITIONS: Final = Table(
    "positions",
    _POSITION_COLUMNS,
    position_rows,
    (
        _insert(
            "positions",
            _POSITION_COLUMNS,
            (("updated_at", "from_ns(ts_ns)"),),
            "ON CONFLICT (account, symbol) DO UPDATE SET "
            + ", ".join(f"{column} = excluded.{column}" for column in (*_POSITION_COLUMNS[2:], "updated_at"))
            + " WHERE (excluded.last_seq, excluded.last_index) > (positions.last_seq, positions.last_index)",
        ),
    ),
)
POSITION_HISTORY: Final = Table(
    "position_history",
    _HISTORY_COLUMNS,
    position_history_rows,
    (
        _insert(
            "position_history",
            _HISTORY_COLUMNS,
            _TIMESTAMP,
            "ON CONFLICT (account, symbol, last_seq, last_index, timestamp) DO NOTHING",
        ),
    ),
)

_PNL_FIELDS: Final = (
    "account",
    "currency",
    "deposits",
    "realized_pnl",
    "unrealized_pnl",
    "fees",
    "equity",
    "peak_equity",
    "drawdown",
    "gross_exposure",
    "net_exposure",
    "last_seq",
    "ts_ns",
)
_PNL_COLUMNS: Final = ("id", *_PNL_FIELDS, "marks")
_json: Final = msgspec.json.Encoder().encode


def pnl_rows(placed: list[Placed]) -> list[Row]:
    return [
        (
            partition << PARTITION_SHIFT | offset,
            *(getattr(record, column) for column in _PNL_FIELDS),
            _json(record.marks).decode(),
        )
        for partition, offset, record in placed
    ]


PNL: Final = Table(
    "pnl",
    _PNL_COLUMNS,
    pnl_rows,
    (_insert("pnl", _PNL_COLUMNS, _TIMESTAMP, "ON CONFLICT (id, timestamp) DO NOTHING"),),
)

TABLES: Final[dict[str, tuple[Table, ...]]] = {
    topics.ORDER_EVENTS.name: (ORDERS,),
    topics.FILLS.name: (EXECUTIONS,),
    topics.TRADES.name: (TRADES,),
    topics.POSITIONS.name: (POSITIONS, POSITION_HISTORY),
    topics.PNL.name: (PNL,),
}
"""Topic → the tables that its records go to."""
