"""Streams for one purpose each: as many orders as one likes that all do the same at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from order_flow import Batch, records
from small_exchange import PRICES, SYMBOLS, WIDE_LEVELS, command

from engine.messages import Kill, SetPhase, Timer
from engine.words import CommandType, OrderType, Side, TimeInForce


def sweep(count: int, first_seq: int) -> NDArray[Any]:
    """`count` sellers of one lot, and a buyer of all they have and more; twice as many buyers, and a seller to all of
    them; and an end to it."""
    sellers = _crowd(count, first_seq, Side.SELL)
    buyers = _crowd(2 * count, first_seq + len(sellers), Side.BUY)
    end = command(first_seq + len(sellers) + len(buyers), CommandType.CANCEL_ALL, account=1)
    return np.concatenate([sellers, buyers, end])


def _crowd(count: int, first_seq: int, side: Side) -> NDArray[Any]:
    orders = np.concatenate([command(first_seq + k, CommandType.NEW, account=1) for k in range(count + 1)])
    orders["client_order_id"] = [b"crowd-%d" % seq for seq in orders["seq"]]
    orders["instrument"] = 1
    orders["order_type"] = int(OrderType.LIMIT)
    orders["time_in_force"] = int(TimeInForce.DAY)
    orders["quantity"] = 1
    orders["side"] = int(side)
    orders["limit_price"] = np.array(PRICES[0])[np.arange(count + 1) % 3]
    orders["quantity"][-1] = count + 7
    orders["side"][-1] = int(Side.SELL if side == Side.BUY else Side.BUY)
    orders["limit_price"][-1] = PRICES[0][2] if side == Side.SELL else PRICES[0][0]
    return orders


def ladder(first_seq: int) -> NDArray[Any]:
    """An order at every level of the wide instrument, traded away one after another by market orders; first the buyers,
    then the sellers. So the next best level is looked for over every border of the index of levels."""
    records = []
    for side, other in ((Side.BUY, Side.SELL), (Side.SELL, Side.BUY)):
        for price in [*PRICES[1], *[0] * len(WIDE_LEVELS)]:
            record = command(first_seq + len(records), CommandType.NEW, account=2, instrument=2, quantity=1)
            record["client_order_id"] = b"ladder-%d" % len(records)
            record["self_trade_prevention"] = 1
            record["order_type"] = int(OrderType.LIMIT if price else OrderType.MARKET)
            record["time_in_force"] = int(TimeInForce.DAY)
            record["side"] = int(side if price else other)
            record["limit_price"] = price
            records.append(record)
    return np.concatenate(records)


def stops(count: int, first_seq: int) -> NDArray[Any]:
    """Sell stops at one price, a buyer of all of them, and one trade that sets them off."""
    orders = _crowd(count + 2, first_seq, Side.SELL)
    orders["self_trade_prevention"] = 1
    orders["order_type"][:count] = int(OrderType.STOP)
    orders["stop_price"][:count] = PRICES[0][1]
    orders["limit_price"][:count] = 0
    for place, side, quantity in ((count, Side.BUY, count + 1), (count + 1, Side.SELL, 1), (count + 2, Side.BUY, 1)):
        orders["side"][place], orders["quantity"][place] = int(side), quantity
        orders["limit_price"][place] = PRICES[0][1]
    return orders


def commands(count: int, first_seq: int) -> list[Batch]:
    """An auction in which `count` buyers meet as many sellers, an end of the day for as many orders, and a kill switch
    for as many."""
    batches: list[Batch] = []
    seq = first_seq

    def put(orders: NDArray[Any]) -> None:
        nonlocal seq
        orders["seq"] = np.arange(seq, seq + len(orders))
        orders["ts_ns"] = 1000 * orders["seq"]
        orders["client_order_id"] = [b"crowd-%d" % number for number in orders["seq"]]
        orders["self_trade_prevention"] = 1
        batches.append(Batch(seq, 1000 * seq, orders))
        seq += len(orders)

    def administer(command: SetPhase | Timer | Kill) -> None:
        nonlocal seq
        batches.append(Batch(seq, 1000 * seq, records([]), command))
        seq += 1

    administer(SetPhase(symbol=SYMBOLS[0], phase="closing_auction"))
    put(_crowd(count, seq, Side.BUY)[:count])
    sellers = _crowd(count, seq, Side.SELL)[:count]
    sellers["account"] = 2
    put(sellers)
    administer(SetPhase(symbol=SYMBOLS[0], phase="continuous", day_ends_ns=1))
    put(_crowd(count, seq, Side.BUY)[:count])
    administer(Timer())
    killed = _crowd(count, seq, Side.BUY)[:count]
    killed["time_in_force"] = int(TimeInForce.GTC)
    put(killed)
    administer(Kill())
    administer(Kill(active=False))
    return batches
