"""The demo user and its account: so that a first visitor can log in and trade."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Final

import psycopg
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from engine.client import Client
from engine.messages import DefineAccount
from engine.tokens import Identity, issue
from infra.errors import OperatorError

USERNAME: Final = "demo"
ACCOUNT: Final = "demo"
DEPOSIT: Final = Decimal(1_000_000)
MARGIN_MULTIPLE: Final = Decimal(4)
TOKEN_S: Final = 60


def bootstrap(dsn: str, engine_address: str, secret: str, password: str) -> None:
    """Opens the demo account and lets the demo user in with `password`; with an empty one there is no demo user.

    Doing it again changes nothing, but for a new password. Raises `OperatorError`."""
    if not password:
        _delete_user(dsn)
        return
    _open_account(engine_address, secret)
    _put_user(dsn, password)


def _open_account(address: str, secret: str) -> None:
    identity = Identity("bootstrap", "service", ("*",))
    client = Client(address, issue(secret, identity, now_s=int(time.time()), lifetime_s=TOKEN_S))
    try:
        client.connect()
        reply = client.administer(DefineAccount(account=ACCOUNT, deposit=DEPOSIT, margin_multiple=MARGIN_MULTIPLE))
    except TimeoutError:
        raise OperatorError(f"the engine at {address} does not answer") from None
    finally:
        client.close()
    if reply.outcome == "rejected":
        raise OperatorError(f"the engine refused the demo account: {reply.text or reply.reason}")


def _put_user(dsn: str, password: str) -> None:
    hasher = PasswordHasher()
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT password_hash FROM users WHERE username = %s", (USERNAME,)).fetchone()
        if row is not None and _matches(hasher, row[0], password):
            return
        connection.execute(
            """
            INSERT INTO users (username, password_hash, role, accounts) VALUES (%s, %s, 'trader', %s)
            ON CONFLICT (username) DO UPDATE SET password_hash = excluded.password_hash
            """,
            (USERNAME, hasher.hash(password), [ACCOUNT]),
        )


def _matches(hasher: PasswordHasher, password_hash: str, password: str) -> bool:
    try:
        return hasher.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


def _delete_user(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute("DELETE FROM users WHERE username = %s", (USERNAME,))
