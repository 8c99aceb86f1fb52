"""Whether the books of account still add up: what must be zero at every moment, found from the arrays alone."""

from __future__ import annotations

from typing import Final

import numpy as np

from engine.book import USED
from engine.codes import BUY
from engine.orders import COUNTED
from engine.state import Engine

SUMS: Final = ("quantity", "cash")


def drift(engine: Engine) -> int:
    """The largest violation, in lots or money units, of what must hold: in each instrument the positions and the cash
    of all accounts, and what splits left with none, sum to 0; in each account cash + cost = realized, and its sums are
    those of its instruments; what is reserved and open is that of its working orders."""
    ledger, books = engine.ledger, engine.books
    used = int(ledger.known[0]) + 1
    pairs = ledger.pairs[:, 1:used]
    accounts = ledger.accounts[1:used]
    found = [0]
    # What corporate actions have paid for less than a lot is in row 0.
    found += [int(np.abs(ledger.pairs[name][:, :used].sum(axis=1)).max(initial=0)) for name in SUMS]
    balance = (pairs["cash"] + pairs["cost"] - pairs["realized"]).sum(axis=0)
    found.append(int(np.abs(balance).max(initial=0)))
    for name, total in (("realized", "realized"), ("fees", "fees")):
        found.append(int(np.abs(pairs[name].sum(axis=0) - accounts[total]).max(initial=0)))
    found.append(int(np.abs(np.abs(pairs["cost"]).sum(axis=0) - accounts["cost_used"]).max(initial=0)))

    slots = int(books.pool[USED]) + 1
    orders, terms = books.orders[:slots], books.terms[:slots]
    works = orders["leaves"] > 0
    counted = works & (orders["traits"] & COUNTED > 0)
    reserved = np.zeros(used, np.int64)
    np.add.at(reserved, orders["account"][counted], (terms["reserved_lots"] * terms["reserve_rate"])[counted])
    found.append(int(np.abs(reserved[1:] - accounts["reserved"]).max(initial=0)))
    for name, chosen, lots in (
        ("open_buys", counted & (orders["side"] == BUY), orders["leaves"]),
        ("open_sells", counted & (orders["side"] != BUY), orders["leaves"]),
        ("open_orders", works, np.ones(slots, np.int64)),
    ):
        expected = np.zeros((len(ledger.pairs), used), np.int64)
        np.add.at(expected, (orders["instrument"][chosen], orders["account"][chosen]), lots[chosen])
        found.append(int(np.abs(expected[:, 1:] - pairs[name]).max(initial=0)))
    return max(found)
