"""Who is at the other end of each ZeroMQ connection, what it may do, and what it has asked for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Container, Iterator
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.jit import as_bytes, compiled, entry
from engine.layout import ACTOR, COMMAND
from engine.messages import OrderCommand
from engine.refusal import Refusal
from engine.tokens import EVERY_ACCOUNT, Identity, InvalidToken, verify
from engine.words import Durability, Reason, Source

ZEROMQ: Final = int(Source.ZEROMQ)
ACTOR_AT: Final = {name: place[1] for name, place in (COMMAND.fields or {}).items()}["actor"]
MOST_SESSIONS: Final = 10_000
"""The longest unused ones are ended, and have to log in again."""
LOG_IN_FIRST: Final = 'log in first: {"type":"login","token":…}'


class Session:
    """One connection that has logged in."""

    def __init__(
        self, routing_id: bytes, identity: Identity, durability: Durability, cancel_on_disconnect: bool
    ) -> None:
        self.routing_id = routing_id
        self.identity = identity
        self.expires_ns = identity.expires_s * 1_000_000_000
        self.durability = durability
        """What replies wait for where a command does not say."""
        self.cancel_on_disconnect = cancel_on_disconnect
        """Whether the working orders of its accounts are canceled when it ends."""
        self.reports: dict[int, int] = {}
        """Numbers of the accounts whose reports it is sent → number of the next report."""


class Sessions:
    """Sessions by ZeroMQ routing id."""

    def __init__(
        self,
        secret: str,
        clock_ns: Callable[[], int],
        ended: Callable[[Session], None],
        revocations: Container[str] = (),
    ) -> None:
        """`ended` is told of each session that ends, by whatever way; `revocations` holds the revoked ones."""
        self._secret = secret
        self._revocations = revocations
        self._clock_ns = clock_ns
        self._ended = ended
        self._sessions: OrderedDict[bytes, Session] = OrderedDict()

    def login(
        self,
        routing_id: bytes,
        token: str,
        durability: Durability = Durability.JOURNALED,
        cancel_on_disconnect: bool = False,
    ) -> Session:
        """Raises `Refusal` naming the field. A new login takes the place of the connection's earlier one, of which
        nothing is canceled."""
        if routing_id[:1] != b"\0":
            text = "a connection that gives itself a routing id could be mistaken for another one's: give it none"
            raise Refusal(Reason.NOT_AUTHORIZED, "token", text)
        try:
            identity = verify(self._secret, token)
        except InvalidToken as error:
            raise Refusal(Reason.NOT_AUTHORIZED, "token", str(error)) from None
        if identity.session in self._revocations:
            raise Refusal(Reason.NOT_AUTHORIZED, "token", "the token has been revoked")
        if cancel_on_disconnect and (EVERY_ACCOUNT in identity.accounts or not identity.may_trade):
            text = "cancel_on_disconnect is for sessions that trade for accounts named in their token"
            raise Refusal(Reason.INVALID_FIELD, "cancel_on_disconnect", text)
        session = Session(routing_id, identity, durability, cancel_on_disconnect)
        self._sessions[routing_id] = session
        self._sessions.move_to_end(routing_id)
        if len(self._sessions) > MOST_SESSIONS:
            self.end(next(iter(self._sessions.values())))
        return session

    def find(self, routing_id: bytes) -> Session:
        """Raises `Refusal` where nobody has logged in, or the token has expired since."""
        session = self._sessions.get(routing_id)
        if session is None:
            raise Refusal(Reason.NOT_AUTHORIZED, "token", LOG_IN_FIRST)
        if session.expires_ns <= self._clock_ns() or session.identity.session in self._revocations:  # `is_over`
            self.end(session)
            was = "been revoked" if session.identity.session in self._revocations else "expired"
            raise Refusal(Reason.NOT_AUTHORIZED, "token", f"the session's token has {was}: {LOG_IN_FIRST}")
        self._sessions.move_to_end(routing_id)
        return session

    def is_over(self, session: Session) -> bool:
        """Whether its token has expired, or been revoked."""
        return session.expires_ns <= self._clock_ns() or session.identity.session in self._revocations

    def end(self, session: Session) -> None:
        """Once: a session that has ended is no longer known."""
        if self._sessions.get(session.routing_id) is session:
            del self._sessions[session.routing_id]
            self._ended(session)

    def end_of(self, routing_id: bytes) -> None:
        """The connection is gone."""
        session = self._sessions.get(routing_id)
        if session is not None:
            self.end(session)

    def __iter__(self) -> Iterator[Session]:
        """Those of now: some may end in between."""
        return iter(list(self._sessions.values()))


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


@compiled
def stamp(records: Any, octets: Any, may_speak: bool, actor: Any) -> None:
    """Compiled code's part of `stamp_records`."""
    for row in range(len(records)):
        records["source_partition"][row] = -1
        records["source_offset"][row] = -1
        if not may_speak or records["source"][row] == 0:
            records["source"][row] = ZEROMQ
        if not may_speak or octets[row, ACTOR_AT] == 0:
            for place in range(len(actor)):
                octets[row, ACTOR_AT + place] = actor[place]


@entry
def _stamp(records: Any, may_speak: bool, actor: Any) -> None:
    stamp(records, as_bytes(records), may_speak, actor)


def stamp_records(identity: Identity, records: NDArray[Any]) -> None:
    """Writes where records came from: a session of ours may speak for someone else, any other only for itself."""
    _stamp(records, identity.role == "service", actor_octets(identity.actor))


@lru_cache(maxsize=1024)
def actor_octets(name: str) -> NDArray[np.uint8]:
    """As a record names who sent it."""
    return np.array([name.encode()], ACTOR).view("u1")


def account_numbers(identity: Identity, find: Callable[[str], Any]) -> NDArray[np.uint32]:
    """Numbers of the accounts that the session is bound to and that exist; `find` as of `Accounts`."""
    entries = [find(account) for account in identity.accounts]
    return np.array([entry.number for entry in entries if entry is not None], np.uint32)
