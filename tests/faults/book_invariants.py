"""What must hold of the books of account and of what keeps them, after any kill. Each function gives a sentence for
every place where its invariant, named as the function is, does not hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

from tests.faults.books import OF_TOPICS, Books
from tests.faults.invariants import Violation


def positions_are_the_audits(books: Books) -> Iterator[str]:
    """Every published position and P&L is what the independent audit computes with fractions."""
    yield from books.differences


def a_position_for_each_fill(books: Books) -> Iterator[str]:
    """`positions` has one record for each record of `fills`, and no other."""
    for key in (books.fills.keys() - books.positions.keys()) | (books.positions.keys() - books.fills.keys()):
        yield f"{key}: {books.fills[key]} fills and {books.positions[key]} positions"
    for key, count in books.positions.items():
        if count > 1:
            yield f"{key}: {count} positions"


def nothing_missing_in_postgres(books: Books) -> Iterator[str]:
    """Each record of the topics is a row of its table."""
    for table, published in books.published.items():
        for key in sorted(published.keys() - books.stored[table].keys()):
            yield f"{table} lacks {key} of {OF_TOPICS[table]}"


def nothing_twice_in_postgres(books: Books) -> Iterator[str]:
    """Each row of a table is a record of its topic, and there once."""
    for table, stored in books.stored.items():
        extra: Counter[tuple[object, ...]] = stored - Counter(dict.fromkeys(books.published[table], 1))
        for key, count in extra.items():
            yield f"{table} has {key} {count} times too often"


def orders_in_postgres_are_the_fold(books: Books) -> Iterator[str]:
    """`orders` has what the reports come to, with the place of the last one."""
    for order_id in sorted(books.orders.keys() | books.stored_orders.keys()):
        wanted, found = books.orders.get(order_id), books.stored_orders.get(order_id)
        if wanted != found:
            yield f"order {order_id} is {found}, its reports come to {wanted}"


def redis_has_the_latest(books: Books) -> Iterator[str]:
    """The position and the P&L in Redis are the last ones published."""
    for key, record in books.latest.items():
        if books.cached.get(key) != record:
            yield f"{key} is {books.cached.get(key)!r}, the last published {record!r}"


INVARIANTS: Final[tuple[Callable[[Books], Iterator[str]], ...]] = (
    positions_are_the_audits,
    a_position_for_each_fill,
    nothing_missing_in_postgres,
    nothing_twice_in_postgres,
    orders_in_postgres_are_the_fold,
    redis_has_the_latest,
)


def violations(books: Books) -> list[Violation]:
    """Of all invariants."""
    return [Violation(check.__name__, text) for check in INVARIANTS for text in check(books)]
