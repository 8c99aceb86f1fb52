"""Who is at the other end of each ZeroMQ connection, and what it may do."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.core import Core
from engine.layout import field_number
from engine.messages import OrderCommand
from engine.refusal import Refusal
from engine.tokens import EVERY_ACCOUNT, Identity, InvalidToken, verify
from engine.words import CommandType, Durability, Reason, Source

MOST_SESSIONS: Final = 10_000
"""The longest unused ones are forgotten, and have to log in again."""
LAST_ORDER_COMMAND: Final = int(CommandType.CANCEL_ALL)


class Sessions:
    """Sessions by ZeroMQ routing id."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._identities: OrderedDict[bytes, Identity] = OrderedDict()

    def login(self, routing_id: bytes, token: str) -> Identity:
        """Raises `Refusal` naming the field `token`."""
        try:
            identity = verify(self._secret, token)
        except InvalidToken as error:
            raise Refusal(Reason.NOT_AUTHORIZED, "token", str(error)) from None
        self._identities[routing_id] = identity
        if len(self._identities) > MOST_SESSIONS:
            self._identities.popitem(last=False)
        return identity

    def find(self, routing_id: bytes) -> Identity:
        """Raises `Refusal` where nobody has logged in."""
        identity = self._identities.get(routing_id)
        if identity is None:
            raise Refusal(Reason.NOT_AUTHORIZED, "token", 'log in first: {"type":"login","token":…}')
        self._identities.move_to_end(routing_id)
        return identity


NOT_YOUR_TIME: Final = "transact_ns dates trades on the public tape: only replays of recorded days may give it"


def check_command(identity: Identity, command: OrderCommand) -> None:
    """Raises `Refusal` where the session may not trade for the account, or not say when it happened."""
    account = command.account
    if command.transact_ns and not identity.may_administer:
        raise Refusal(Reason.NOT_AUTHORIZED, "transact_ns", NOT_YOUR_TIME)
    if not identity.may_trade:
        raise Refusal(Reason.NOT_AUTHORIZED, "account", f"the role {identity.role} may not trade")
    if not identity.may_use(account):
        raise Refusal(Reason.NOT_AUTHORIZED, "account", f"this session may not act for {account}")


def stamp_records(identity: Identity, records: NDArray[Any]) -> None:
    """Writes where records came from: a session of ours may speak for someone else, any other only for itself."""
    records["source_partition"] = -1
    records["source_offset"] = -1
    if identity.role == "service":
        unnamed = records["source"] == 0
        records["source"][unnamed] = int(Source.ZEROMQ)
        records["actor"][records["actor"] == b""] = identity.actor.encode()[:20]
    else:
        records["source"] = int(Source.ZEROMQ)
        records["actor"] = identity.actor.encode()[:20]


def _printable(texts: NDArray[Any]) -> NDArray[np.bool_]:
    """Which of the texts are printable ASCII without spaces up to their end, after which all is zero."""
    columns = np.ascontiguousarray(texts).view("u1").reshape(len(texts), -1)
    strange = (columns != 0) & ((columns < 33) | (columns > 126))
    resumed = (columns[:, :-1] == 0) & (columns[:, 1:] != 0)
    found: NDArray[np.bool_] = ~(strange.any(axis=1) | resumed.any(axis=1))
    return found


def refused_records(identity: Identity, records: NDArray[Any], core: Core) -> NDArray[np.int64]:
    """(n, 2): reason and field of each record that must not be sequenced, zeros for those that may."""
    refused = np.zeros((len(records), 2), np.int64)

    def refuse(rows: Any, reason: Reason, field: str) -> None:
        refused[rows & (refused[:, 0] == 0)] = int(reason), field_number(field)

    refuse((records["type"] == 0) | (records["type"] > LAST_ORDER_COMMAND), Reason.INVALID_FIELD, "type")
    refuse(records["durability"] > int(Durability.COMMITTED), Reason.INVALID_FIELD, "durability")
    refuse(records["durability"] > int(Durability.JOURNALED), Reason.UNSUPPORTED, "durability")
    refuse(records["source"] > max(Source), Reason.INVALID_FIELD, "source")
    refuse(records["transact_ns"] < 0, Reason.INVALID_FIELD, "transact_ns")
    if not identity.may_administer:
        refuse(records["transact_ns"] != 0, Reason.NOT_AUTHORIZED, "transact_ns")
    for name in ("strategy", "client_order_id"):
        refuse(~_printable(records[name]), Reason.INVALID_FIELD, name)
    everyone = np.ones(len(records), bool)
    if not identity.may_trade:
        refuse(everyone, Reason.NOT_AUTHORIZED, "account")
    elif EVERY_ACCOUNT not in identity.accounts:
        entries = [core.accounts.find(account) for account in identity.accounts]
        numbers = [entry.number for entry in entries if entry is not None]
        refuse(~np.isin(records["account"], numbers), Reason.NOT_AUTHORIZED, "account")
    return refused
