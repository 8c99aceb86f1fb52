"""What Postgres and Redis hold of orders, executions, positions and P&L, against what the topics give up to where each
of them has read. What lies behind that is on its way, and told apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec
import psycopg
import redis

from engine import messages, topics, words
from streams import orders
from streams.consumer import Cursor, Partition, place, read_to_end
from streams.sinks.postgres import SINK
from streams.sinks.redis_keys import cursor_key

COMPARED: Final = (topics.ORDER_EVENTS, topics.FILLS, topics.POSITIONS, topics.PNL)
SHOWN: Final = 20
FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "order": ("status", "filled_quantity", "leaves_quantity", "average_price", "last_seq", "last_index"),
    "execution": ("account", "symbol", "quantity", "price", "fee"),
    "executions": ("count", "quantity", "money", "fees"),
    "position": ("quantity", "average_price", "cost", "realized_pnl", "fees", "last_seq", "last_index"),
    "P&L": ("deposits", "realized_pnl", "unrealized_pnl", "fees", "equity", "drawdown", "last_seq"),
}
"""What is compared of each kind of thing."""
WORDS: Final = frozenset({"status", "account", "symbol"})
"""Those that are no numbers."""
WORKING: Final = words.WORKING_WORDS
UNREADABLE: Final = "unreadable"
NO_SEQ: Final = (1 << 63) - 1
"""Behind every command."""

Key = str
Values = tuple[Any, ...]
Kept = dict[str, dict[Key, Values]]
"""Kind → key → the values of `FIELDS`."""


class Store(NamedTuple):
    """What a store holds, and how far it had read the topics then."""

    name: str
    cursor: Cursor
    kept: Kept
    drops_closed: bool
    """Whether orders that are closed may be gone."""
    since_seq: int = 0
    """Executions of earlier commands are gone; where this is not 0, so may be the P&L of accounts that have none."""


def number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def values(kind: str, record: Any) -> Values:
    """What is compared of a record."""
    return comparable(kind, [getattr(record, name) for name in FIELDS[kind]])


def stored(kind: str, value: bytes, record: Any) -> Values:
    """What is compared of a record that Redis holds; UNREADABLE in its place where it is none."""
    try:
        return values(kind, msgspec.json.decode(value, type=record))
    except msgspec.DecodeError:
        return (UNREADABLE,) * len(FIELDS[kind])


def comparable(kind: str, found: Iterable[Any]) -> Values:
    """The values of `FIELDS` with numbers for decimal texts."""
    return tuple(
        Decimal(one) if isinstance(one, str) and name not in WORDS else one
        for name, one in zip(FIELDS[kind], found, strict=True)
    )


class Books:
    """What the topics say up to some cursor."""

    def __init__(self, since_seq: int = 0) -> None:
        """Without fills of commands before `since_seq`."""
        self._since_seq = since_seq
        self._orders: dict[str, messages.Order] = {}
        self.kept: Kept = {kind: {} for kind in FIELDS}
        self._traded: defaultdict[Key, list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 4)

    def take(self, topic: str, record: Any) -> None:
        """The next record of a partition."""
        if topic == topics.ORDER_EVENTS.name:
            order = orders.fold(self._orders.get(record.order_id), record)
            if order is not None:
                self._orders[record.order_id] = order
        elif topic == topics.FILLS.name:
            if record.seq < self._since_seq:
                return
            quantity = Decimal(record.quantity)
            traded = self._traded[f"{record.account} {record.symbol}"]
            amounts = (Decimal(1), quantity, quantity * Decimal(record.price), Decimal(record.fee))
            for column, amount in enumerate(amounts):
                traded[column] += amount
        elif topic == topics.POSITIONS.name:
            self.kept["position"][f"{record.account} {record.symbol}"] = values("position", record)
        else:
            self.kept["P&L"][record.account] = values("P&L", record)

    def working(self) -> list[messages.Order]:
        return [order for order in self._orders.values() if order.status in WORKING]

    def close(self) -> Kept:
        self.kept["order"] = {order_id: values("order", order) for order_id, order in self._orders.items()}
        self.kept["executions"] = {key: tuple(traded) for key, traded in self._traded.items()}
        return self.kept


# ------------------------------------------------------------------------------------------------------ the stores


def read_postgres(dsn: str, *, lets_go: bool = False) -> Store:
    """All of one moment; `lets_go`: of a history whose beginning may be gone. Raises `psycopg.Error`."""
    with psycopg.connect(dsn, connect_timeout=5, application_name="audit") as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")

        def rows(statement: str) -> Iterator[Values]:
            with connection.cursor(name="audit") as cursor:
                cursor.itersize = 10_000
                yield from cursor.execute(statement)

        read = connection.execute("SELECT topic, partition, next_offset FROM sink_cursors WHERE sink = %s", (SINK,))
        cursor = {(topic, partition): offset for topic, partition, offset in read}
        since_seq = 0
        if lets_go:
            # Of the oldest command there some fills may be gone: rows go in order, and in pieces.
            row = connection.execute("SELECT min(seq) FROM executions").fetchone()
            since_seq = NO_SEQ if row is None or row[0] is None else int(row[0]) + 1
        kept: Kept = {
            "order": {
                str(order_id): tuple(found)
                for order_id, *found in rows(
                    "SELECT order_id, status, filled_qty, remaining_qty, average_price, last_seq, last_index "
                    "FROM orders"
                )
            },
            "executions": {
                f"{account} {symbol}": tuple(map(Decimal, found))
                for account, symbol, *found in rows(
                    "SELECT account, symbol, count(*), sum(fill_qty), sum(fill_qty * fill_price), sum(fee) "
                    f"FROM executions WHERE seq >= {since_seq} GROUP BY 1, 2"
                )
            },
            "position": {
                f"{account} {symbol}": tuple(found)
                for account, symbol, *found in rows(
                    f"SELECT account, symbol, {', '.join(FIELDS['position'])} FROM positions"
                )
            },
            "P&L": {
                account: tuple(found)
                for account, *found in rows(
                    f"SELECT DISTINCT ON (account) account, {', '.join(FIELDS['P&L'])} FROM pnl "
                    "ORDER BY account, id DESC"
                )
            },
        }
    return Store("Postgres", cursor, kept, drops_closed=lets_go, since_seq=since_seq)


_KINDS: Final[Mapping[str, tuple[str, Any]]] = {
    "order:": ("order", messages.Order),
    "position:": ("position", messages.Position),
    "pnl:": ("P&L", messages.Pnl),
}


_READ: Final = """
local cursors, kept = {}, {}
for n, key in ipairs(KEYS) do cursors[n] = redis.call('HGETALL', key) end
for n, prefix in ipairs(ARGV) do
    local keys = redis.call('KEYS', prefix .. '*')
    local rows = {}
    for k, key in ipairs(keys) do rows[k] = {key, redis.call('MGET', key)[1]} end
    kept[n] = rows
end
return {cursors, kept}"""
"""One step of Redis: a key that came after the keys were listed, and before the cursor was read, would be missing.
MGET has nothing of a key of another type, where GET would be refused."""


def read_redis(url: str) -> Store:
    """All of one moment. Raises `redis.RedisError`."""
    client = redis.Redis.from_url(url, socket_connect_timeout=2, socket_timeout=30)
    kept: Kept = {kind: {} for kind, _ in _KINDS.values()}
    try:
        places = [cursor_key(topic.name) for topic in COMPARED]
        found: Any = client.eval(_READ, len(places), *places, *_KINDS)
        cursor: Cursor = {}
        for topic, row in zip(COMPARED, found[0], strict=True):
            for partition, offset in zip(row[::2], row[1::2], strict=True):
                cursor[topic.name, int(partition)] = int(offset)
        for (prefix, (kind, record)), rows in zip(_KINDS.items(), found[1], strict=True):
            for key, value in rows:
                name = key.decode().removeprefix(prefix).replace("|", " ")
                kept[kind][name] = stored(kind, value or b"", record)
    finally:
        client.close()
    return Store("Redis", cursor, kept, drops_closed=True)


# --------------------------------------------------------------------------------------------------- the comparison


@dataclass
class StoreResult:
    """What was compared of each store, and what differs."""

    compared: dict[str, dict[str, int]] = field(default_factory=dict)
    in_flight: dict[str, int] = field(default_factory=dict)
    """Store → records that it has not read yet."""
    engine_orders: int = 0
    engine_in_flight: int = 0
    differing: int = 0
    differences: list[str] = field(default_factory=list)
    """The first of them."""

    @property
    def ok(self) -> bool:
        return self.differing == 0

    def add(self, text: str) -> None:
        self.differing += 1
        if len(self.differences) < SHOWN:
            self.differences.append(text)

    def report(self) -> str:
        """For people."""
        lines = []
        for name, counts in self.compared.items():
            held = ", ".join(f"{count:,} {_plural(kind)}" for kind, count in counts.items())
            lines.append(f"{name:<10} {held}; {self.in_flight[name]:,} records in flight")
        if self.engine_orders:
            lines.append(
                f"engine     {self.engine_orders:,} working orders asked for; {self.engine_in_flight:,} in flight"
            )
        lines.append(f"differing  {self.differing:,}")
        lines += [f"  {text}" for text in self.differences]
        if self.differing > len(self.differences):
            lines.append(f"  … and {self.differing - len(self.differences):,} more")
        return "\n".join(lines)


def _plural(kind: str) -> str:
    return {"order": "orders", "position": "positions", "executions": "accounts' executions"}.get(kind, kind)


def compare(store: Store, expected: Kept, result: StoreResult, *, whole: bool) -> None:
    """Every difference of a store from what the topics give up to its cursor; `whole`: the topics hold all that was
    ever written, so that the store must hold nothing else."""
    result.compared[store.name] = {kind: len(found) for kind, found in store.kept.items()}
    for kind, found in store.kept.items():
        wanted = expected[kind]
        for key, must in wanted.items():
            have = found.get(key)
            if have is None:
                closed = kind == "order" and store.drops_closed and must[0] not in WORKING
                old = kind == "P&L" and store.since_seq > 0
                if not (closed or old):
                    result.add(f"{store.name}: {kind} {key} is not there")
                continue
            for name, one, other in zip(FIELDS[kind], have, must, strict=True):
                if one != other:
                    result.add(f"{store.name}: {kind} {key}: {name} is {one}, the topics say {other}")
        if whole:
            for key in found.keys() - wanted.keys():
                result.add(f"{store.name}: {kind} {key} is there, the topics have none")


def audit_stores(
    bootstrap: str,
    stores: Iterable[Store],
    bounds: Mapping[Partition, tuple[int, int]],
    ask_order: Callable[[str, str], messages.OrderState | None] | None = None,
    engine_seq: Callable[[], int] | None = None,
) -> StoreResult:
    """Compares stores that were read before `bounds`, those of `COMPARED`, were. `ask_order` tells by account and order
    number what the engine knows of a working order, `engine_seq` its last command. Raises `KafkaException`."""
    result = StoreResult()
    stores = list(stores)
    books = [Books(store.since_seq) for store in stores]
    now = Books()
    last_seq = 0
    decoders = {topic.name: msgspec.json.Decoder(topic.record) for topic in COMPARED}
    for batch in read_to_end(bootstrap, dict.fromkeys(bounds), name="audit-stores"):
        for message in batch:
            topic, partition, offset = place(message)
            try:
                record = decoders[topic].decode(message.value() or b"")
            except msgspec.DecodeError:
                continue  # it is among the dead letters
            for store, kept in zip(stores, books, strict=True):
                if offset < store.cursor.get((topic, partition), 0):
                    kept.take(topic, record)
            if topic == topics.ORDER_EVENTS.name:
                now.take(topic, record)
                last_seq = max(last_seq, record.seq)
    whole = all(low == 0 for low, _ in bounds.values())
    for store, kept in zip(stores, books, strict=True):
        read = {topic for topic, _ in store.cursor}
        behind = (end - store.cursor.get(at, 0) for at, (_, end) in bounds.items() if at[0] in read)
        result.in_flight[store.name] = sum(max(0, count) for count in behind)
        compare(store, kept.close(), result, whole=whole)
    if ask_order is not None and engine_seq is not None:
        _compare_orders(now, last_seq, ask_order, engine_seq, result)
    return result


def _compare_orders(
    now: Books,
    last_seq: int,
    ask_order: Callable[[str, str], messages.OrderState | None],
    engine_seq: Callable[[], int],
    result: StoreResult,
) -> None:
    """Orders that work by the topics, and the engine's word on each. Where the engine goes on meanwhile, one that it
    knows otherwise may be in flight."""
    for order in now.working():
        state = ask_order(order.account, order.order_id)
        result.engine_orders += 1
        here = (order.status, Decimal(order.filled_quantity), Decimal(order.leaves_quantity))
        there = (
            None
            if state is None
            else (state.order_status, number(state.filled_quantity), number(state.leaves_quantity))
        )
        if here == there:
            continue
        if engine_seq() > last_seq:
            result.engine_in_flight += 1
        else:
            result.add(f"engine: order {order.order_id} of {order.account} is {there}, the topics say {here}")
