"""The engine's own positions, which it keeps for its risk checks: the audit compares the books of account with them."""

from __future__ import annotations

import time
from fractions import Fraction
from typing import Final

from engine.answers import HeldPosition, Positions
from engine.client import Client
from engine.tokens import EVERY_ACCOUNT, Identity, issue

COMPARED: Final = ("quantity", "bought_quantity", "sold_quantity", "cash", "fees")
TOKEN_S: Final = 300
TIMEOUT_S: Final = 30.0


def numbers(held: HeldPosition) -> dict[str, Fraction]:
    """Field → exact value. Raises `ValueError` where a text is no number."""
    return {name: Fraction(getattr(held, name)) for name in COMPARED}


def session(address: str, secret: str) -> Client:
    """A client of the engine at `address` that may ask for everything, to be closed."""
    identity = Identity("audit", "service", (EVERY_ACCOUNT,))
    token = issue(secret, identity, now_s=int(time.time()), lifetime_s=TOKEN_S)
    return Client(address, token, timeout_s=TIMEOUT_S)


def ask(address: str, secret: str) -> Positions:
    """What the engine at `address` holds now. Raises `TimeoutError` where nobody answers, `Refusal`."""
    with session(address, secret) as client:
        return client.positions()
