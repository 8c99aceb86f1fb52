"""Which binary records of a frame may be sequenced: a session's rights, and what the core relies on.

One compiled call: a frame may hold one record, whose sender waits for the reply, or tens of thousands."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from engine.core import Core
from engine.direct import direct
from engine.jit import as_bytes, compiled, entry
from engine.layout import COMMAND, field_number
from engine.sessions import account_numbers, actor_octets, stamp
from engine.tokens import EVERY_ACCOUNT, Identity
from engine.words import LIST_SHIFT, LIST_SIZES, CommandType, Durability, ListType, Reason, Side, Source

NEW, CANCEL_ALL = int(CommandType.NEW), int(CommandType.CANCEL_ALL)
COMMITTED, LAST_SOURCE, LAST_SIDE = int(Durability.COMMITTED), int(max(Source)), int(max(Side))
INVALID_FIELD, UNKNOWN_SYMBOL = int(Reason.INVALID_FIELD), int(Reason.UNKNOWN_SYMBOL)
NOT_AUTHORIZED, INVALID_LIST = int(Reason.NOT_AUTHORIZED), int(Reason.INVALID_LIST)
F_TYPE, F_DURABILITY, F_SOURCE = field_number("type"), field_number("durability"), field_number("source")
F_FLAGS, F_SIDE, F_SYMBOL = field_number("flags"), field_number("side"), field_number("symbol")
F_TRANSACT, F_ACCOUNT = field_number("transact_ns"), field_number("account")
F_STRATEGY, F_CLIENT_ID = field_number("strategy"), field_number("client_order_id")
LIST_BITS: Final = 3
DURABILITY_BITS: Final = 2
DURABILITY_MASK: Final = (1 << DURABILITY_BITS) - 1
assert COMMITTED <= DURABILITY_MASK
BRACKET, BRACKET_SIZE, PAIR = int(ListType.BRACKET), LIST_SIZES[ListType.BRACKET], LIST_SIZES[ListType.OCO]

_OFFSETS: Final = {name: place[1] for name, place in (COMMAND.fields or {}).items()}
STRATEGY, CLIENT_ID, END = _OFFSETS["strategy"], _OFFSETS["client_order_id"], COMMAND.itemsize
assert STRATEGY < CLIENT_ID

MAY_TRADE: Final = 1
MAY_ADMINISTER: Final = 2
MAY_USE_ALL: Final = 4
MAY_SPEAK: Final = 8
"""For someone else: what the records say of where they come from is kept."""


@compiled
def _is_text(octets: Any, row: int, start: int, end: int) -> bool:
    """Printable ASCII without spaces up to its end, after which all is zero."""
    ended = False
    for place in range(start, end):
        octet = octets[row, place]
        if octet == 0:
            ended = True
        elif ended or octet < 33 or octet > 126:
            return False
    return True


@compiled
def _is_own(own: Any, account: int) -> bool:
    for number in own:  # noqa: SIM110 - compiled code knows no generators
        if number == account:
            return True
    return False


@compiled
def _refuse_one(records: Any, octets: Any, row: int, rights: int, own: Any, instruments: int, refused: Any) -> None:
    kind = records["type"][row]
    reason, field = INVALID_FIELD, 0
    if kind == 0 or kind > CANCEL_ALL:
        field = F_TYPE
    elif records["durability"][row] > COMMITTED:
        field = F_DURABILITY
    elif records["source"][row] > LAST_SOURCE:
        field = F_SOURCE
    elif kind != NEW and records["flags"][row] != 0:
        field = F_FLAGS
    elif kind == CANCEL_ALL and records["side"][row] > LAST_SIDE:
        field = F_SIDE
    elif kind == CANCEL_ALL and records["instrument"][row] > instruments:
        reason, field = UNKNOWN_SYMBOL, F_SYMBOL
    elif records["transact_ns"][row] < 0:
        field = F_TRANSACT
    elif records["transact_ns"][row] != 0 and not rights & MAY_ADMINISTER:
        reason, field = NOT_AUTHORIZED, F_TRANSACT
    elif not _is_text(octets, row, STRATEGY, CLIENT_ID):
        field = F_STRATEGY
    elif not _is_text(octets, row, CLIENT_ID, END):
        field = F_CLIENT_ID
    elif not rights & MAY_TRADE or not (rights & MAY_USE_ALL or _is_own(own, records["account"][row])):
        reason, field = NOT_AUTHORIZED, F_ACCOUNT
    if field != 0:
        refused[row, 0], refused[row, 1] = reason, field


@compiled
def _is_whole(records: Any, row: int, end: int) -> bool:
    """Whether the records from `row` on are all legs of one list."""
    if end > len(records):
        return False
    for leg in range(row, end):
        if (
            records["type"][leg] != NEW
            or (records["flags"][leg] >> LIST_SHIFT) & LIST_BITS != (records["flags"][row] >> LIST_SHIFT) & LIST_BITS
            or records["account"][leg] != records["account"][row]
            or records["instrument"][leg] != records["instrument"][row]
        ):
            return False
    return True


@compiled
def _refuse_list(row: int, end: int, refused: Any) -> None:
    """Where one leg is refused, all are."""
    reason, field = 0, 0
    for leg in range(row, end):
        if reason == 0 and refused[leg, 0] != 0:
            reason, field = refused[leg, 0], refused[leg, 1]
    for leg in range(row, end):
        if refused[leg, 0] == 0:
            refused[leg, 0], refused[leg, 1] = reason, field


@compiled
def _refuse(records: Any, octets: Any, rights: int, own: Any, instruments: int, refused: Any) -> None:
    for row in range(len(records)):
        _refuse_one(records, octets, row, rights, own, instruments, refused)
    row = 0
    while row < len(records):
        kind = (records["flags"][row] >> LIST_SHIFT) & LIST_BITS
        end = row + 1
        if kind != 0 and records["type"][row] == NEW:
            end = row + (BRACKET_SIZE if kind == BRACKET else PAIR)
            if _is_whole(records, row, end):
                _refuse_list(row, end, refused)
            else:
                end = row + 1
                if refused[row, 0] == 0:
                    refused[row, 0], refused[row, 1] = INVALID_LIST, F_FLAGS
        row = end


@entry
def _admit(records: Any, rights: int, own: Any, actor: Any, instruments: int, refused: Any) -> int:
    """Fills `refused` and stamps the records. Returns how many are refused, above the DURABILITY_BITS of the highest
    durability that one of the others asks for."""
    octets = as_bytes(records)
    refused[: len(records)] = 0
    _refuse(records, octets, rights, own, instruments, refused)
    stamp(records, octets, rights & MAY_SPEAK != 0, actor)
    count, asked = 0, 0
    for row in range(len(records)):
        if refused[row, 0] != 0:
            count += 1
        elif records["durability"][row] > asked:
            asked = records["durability"][row]
    return count << DURABILITY_BITS | asked


NO_ACCOUNTS: Final = np.zeros(0, np.uint32)
MOST_IDENTITIES: Final = 1024
"""Of which the grants are kept."""


class Grant(NamedTuple):
    """What an identity may do, as compiled code reads it."""

    accounts: int
    """How many there were then."""
    rights: int
    own: NDArray[np.uint32]
    """Numbers of its accounts; none where it may use all."""
    actor: NDArray[np.uint8]


class Admitted(Struct, frozen=True, gc=False):
    """What became of a frame's records."""

    refused: NDArray[np.int64] | None
    """(n, 2): reason and field of each record that must not be sequenced, zeros for those that may; None where all
    may. Where one leg of an order list is refused, all of them are."""
    asked: int
    """The highest durability that one of the others asks for; 0: none says."""


class Admission:
    """Looks through the records that sessions send."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._grants: dict[Identity, Grant] = {}
        self._refused = np.zeros((1, 2), np.int64)
        self._admit = direct(_admit, np.zeros(0, COMMAND), 0, NO_ACCOUNTS, actor_octets(""), 0, self._refused)

    def admit(self, identity: Identity, records: NDArray[Any]) -> Admitted:
        """Checks COMMAND records, and writes into them where they come from: a session of ours may speak for someone
        else, any other only for itself."""
        count = len(records)
        if count > len(self._refused):
            self._refused = np.zeros((count, 2), np.int64)
        grant = self._grants.get(identity)
        if grant is None or grant.accounts != len(self._core.accounts):
            grant = self._granted(identity)
        found = self._admit(records, grant.rights, grant.own, grant.actor, len(self._core.instruments), self._refused)
        refused = self._refused[:count].copy() if found >> DURABILITY_BITS else None
        return Admitted(refused, found & DURABILITY_MASK)

    def _granted(self, identity: Identity) -> Grant:
        accounts = self._core.accounts
        if len(self._grants) == MOST_IDENTITIES:
            self._grants.clear()
        rights = MAY_TRADE * identity.may_trade | MAY_ADMINISTER * identity.may_administer
        rights |= MAY_SPEAK * (identity.role == "service")
        own = NO_ACCOUNTS
        if EVERY_ACCOUNT in identity.accounts:
            rights |= MAY_USE_ALL
        else:
            own = account_numbers(identity, accounts.find)
        grant = self._grants[identity] = Grant(len(accounts), rights, own, actor_octets(identity.actor))
        return grant
