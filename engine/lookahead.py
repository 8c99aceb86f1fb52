"""Asks the memory for what the next commands will need, so that it comes while the present one is carried out.

Nothing here changes the state or an answer: a wrong guess costs a little time. Far ahead the places are asked for that
the command itself names, nearer the record that the index leads to, and last the order that the record leads to."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from engine.book import LEVELS, QUEUES
from engine.clients import HAND, LOW, USED, Clients, id_home, id_key, order_home, order_key
from engine.codes import COMMAND_ID, NEW
from engine.jit import inlined, merged, prefetch
from engine.orders import CACHE_LINE
from engine.state import KEYS, Batch, Engine, Output

FAR: Final = 8
"""Commands ahead."""
MIDDLE: Final = 5
NEAR: Final = 2


@inlined
def indexed(clients: Clients, batch: Batch, i: int, keys: Any) -> int:
    """The record that command i, a cancel or replace, most likely names; 0 where the index has nothing there."""
    order_id = batch.commands["order_id"][i]
    if order_id != 0:
        return np.int64(clients.by_order[order_home(clients, order_key(order_id))] & LOW)
    if batch.commands["type"][i] == NEW:
        return 0
    return np.int64(clients.by_id[id_home(clients, keys[i & (KEYS - 1)])] & LOW)


@merged
def ask_far(engine: Engine, batch: Batch, i: int, keys: Any) -> None:
    """The account of command i, its place in the index, and the level that a new order goes to."""
    commands = batch.commands
    clients = engine.clients
    account = np.int64(commands["account"][i])
    instrument = np.int64(commands["instrument"][i])
    prefetch(engine.ledger.accounts, account, 0)
    prefetch(engine.ledger.accounts, account, CACHE_LINE)
    pair = instrument * engine.ledger.pairs.shape[1] + account
    prefetch(engine.ledger.pairs, pair, 0)
    prefetch(engine.ledger.pairs, pair, CACHE_LINE)
    if commands["order_id"][i] != 0:
        prefetch(clients.by_order, np.int64(order_home(clients, order_key(commands["order_id"][i]))), 0)
    else:
        key = id_key(account, batch.words, i, COMMAND_ID)
        keys[i & (KEYS - 1)] = key
        prefetch(clients.by_id, np.int64(id_home(clients, key)), 0)
    if commands["type"][i] == NEW and instrument < engine.books.instruments.shape[0]:
        level = commands["limit_price"][i] - engine.books.instruments["base"][instrument]
        queue = instrument * QUEUES + np.int64(commands["side"][i]) - 1
        prefetch(engine.books.queues, (queue * LEVELS + level) * 2, 0)


@merged
def ask_middle(engine: Engine, batch: Batch, i: int, keys: Any) -> None:
    """The record that command i names, or the one that a new order will take over."""
    clients = engine.clients
    record = indexed(clients, batch, i, keys)
    if batch.commands["type"][i] == NEW and clients.state[USED] + 1 >= clients.records.shape[0]:
        record = clients.state[HAND] + MIDDLE
        if record < clients.records.shape[0]:
            entry = clients.records["key"][record]
            prefetch(clients.by_id, np.int64(id_home(clients, entry)), 0)
    if record != 0:
        prefetch(clients.records, record, 0)
        prefetch(clients.records, record, CACHE_LINE)


@merged
def ask_near(engine: Engine, batch: Batch, i: int, keys: Any) -> None:
    """The order that command i names."""
    record = indexed(engine.clients, batch, i, keys)
    if record != 0:
        slot = np.int64(engine.clients.records["slot"][record])
        prefetch(engine.books.orders, slot, 0)
        prefetch(engine.books.terms, slot, 0)


@merged
def look_ahead(engine: Engine, batch: Batch, i: int, out: Output) -> None:
    """To be called before command i is begun."""
    count = batch.commands.shape[0]
    if i + FAR < count:
        ask_far(engine, batch, i + FAR, out.keys)
    if i + MIDDLE < count:
        ask_middle(engine, batch, i + MIDDLE, out.keys)
    if i + NEAR < count:
        ask_near(engine, batch, i + NEAR, out.keys)
