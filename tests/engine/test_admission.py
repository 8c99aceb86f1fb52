"""Which binary records may be sequenced, compared with a slow and obvious way to say it."""

from __future__ import annotations

import random

import numpy as np
import pytest

from engine.admission import Admission, Admitted
from engine.core import Core
from engine.layout import COMMAND, FIELDS
from engine.messages import DefineAccount
from engine.tokens import Identity
from engine.words import LIST_SIZES, ListType, Reason
from tests.engine.doors import AAPL

SERVICE = Identity("ours", "service", ("*",))
TRADER = Identity("ann", "trader", ("demo",))


@pytest.fixture(scope="module")
def core() -> Core:
    core = Core(max_orders=1000)
    core.administer(1, 1, AAPL)
    core.administer(2, 1, DefineAccount(account="demo"))
    return core


def records(*rows: dict[str, object]) -> np.ndarray:
    found = np.zeros(len(rows), COMMAND)
    for place, row in enumerate(rows):
        for name, value in ({"type": 1, "account": 1, "instrument": 1} | row).items():
            found[name][place] = value
    return found


def refusals(identity: Identity, rows: np.ndarray, core: Core) -> np.ndarray:
    found = Admission(core).admit(identity, rows).refused
    return np.zeros((len(rows), 2), np.int64) if found is None else found


@pytest.mark.parametrize(
    ("row", "reason", "field"),
    [
        ({}, Reason.NONE, ""),
        ({"type": 0}, Reason.INVALID_FIELD, "type"),
        ({"type": 5}, Reason.INVALID_FIELD, "type"),
        ({"type": 16}, Reason.INVALID_FIELD, "type"),
        ({"durability": 4}, Reason.INVALID_FIELD, "durability"),
        ({"source": 6}, Reason.INVALID_FIELD, "source"),
        ({"type": 2, "flags": 1}, Reason.INVALID_FIELD, "flags"),
        ({"type": 3, "flags": 1}, Reason.INVALID_FIELD, "flags"),
        ({"type": 4, "flags": 8}, Reason.INVALID_FIELD, "flags"),
        ({"type": 4, "side": 3}, Reason.INVALID_FIELD, "side"),
        ({"type": 4, "side": 2}, Reason.NONE, ""),
        ({"type": 4, "instrument": 2}, Reason.UNKNOWN_SYMBOL, "symbol"),
        ({"type": 4, "instrument": 0}, Reason.NONE, ""),
        ({"transact_ns": -1}, Reason.INVALID_FIELD, "transact_ns"),
        ({"transact_ns": 1}, Reason.NOT_AUTHORIZED, "transact_ns"),
        ({"account": 2}, Reason.NOT_AUTHORIZED, "account"),
        ({"flags": 16}, Reason.INVALID_LIST, "flags"),
    ],
)
def test_a_record_is_refused_for_its_field(core: Core, row: dict[str, object], reason: Reason, field: str) -> None:
    [[found, number]] = refusals(TRADER, records(row), core)
    assert (Reason(found), FIELDS[number]) == (reason, field)


def test_the_highest_durability_of_those_that_are_taken_is_told(core: Core) -> None:
    admission = Admission(core)
    rows = records({"durability": 1}, {"durability": 2}, {"durability": 3, "account": 2}, {"durability": 4})
    admitted = admission.admit(TRADER, rows)
    assert admitted.refused is not None
    assert admitted.refused[:, 0].tolist() == [0, 0, int(Reason.NOT_AUTHORIZED), int(Reason.INVALID_FIELD)]
    assert admitted.asked == 2
    assert admission.admit(TRADER, rows[:1]) == Admitted(None, 1)
    assert admission.admit(TRADER, records({})) == Admitted(None, 0)


def test_an_account_that_is_made_while_a_session_lasts_is_its_own_from_then_on() -> None:
    core = Core(max_orders=10)
    core.administer(1, 1, AAPL)
    admission = Admission(core)
    assert admission.admit(TRADER, records({})).refused is not None
    core.administer(2, 1, DefineAccount(account="demo"))
    assert admission.admit(TRADER, records({})).refused is None


def test_text_is_printable_up_to_its_end(core: Core) -> None:
    rng = random.Random(5)
    found = np.zeros(5000, COMMAND)
    found["type"], found["account"] = 1, 1
    texts = found.view("u1").reshape(len(found), -1)[:, 128:]
    for text in texts:
        for start, size in ((0, 16), (16, 48)):
            length = rng.randint(0, size)
            text[start : start + length] = [rng.randint(33, 126) for _ in range(length)]
            for _ in range(rng.choice((0, 0, 0, 1))):
                text[start + rng.randrange(size)] = rng.choice((0, 1, 32, 33, 126, 127, 128, 255))
    refused = refusals(SERVICE, found, core)[:, 0] != 0
    for name, start, size in (("strategy", 0, 16), ("client_order_id", 16, 48)):
        texts_good = [all(33 <= byte <= 126 for byte in bytes(t[start : start + size]).rstrip(b"\0")) for t in texts]
        if name == "strategy":
            good = texts_good
        else:
            good = [a and b for a, b in zip(good, texts_good, strict=True)]
    assert refused.tolist() == [not fine for fine in good]
    assert 1000 < sum(good) < 4999


def slowly(rows: np.ndarray, refused: list[int]) -> list[int]:
    """Lists as the door must treat them, record by record."""
    found, place = list(refused), 0

    def belongs(k: int) -> bool:
        like = all(rows[name][k] == rows[name][place] for name in ("account", "instrument"))
        return bool(rows["type"][k] == 1 and rows["flags"][k] >> 4 & 3 == rows["flags"][place] >> 4 & 3 and like)

    while place < len(rows):
        kind = int(rows["flags"][place]) >> 4 & 3
        if rows["type"][place] != 1 or kind == 0:
            place += 1
            continue
        end = place + LIST_SIZES[ListType(kind)]
        if end <= len(rows) and all(belongs(k) for k in range(place, end)):
            first = next((reason for reason in refused[place:end] if reason), 0)
            found[place:end] = [reason or first for reason in refused[place:end]]
            place = end
        else:
            found[place] = found[place] or int(Reason.INVALID_LIST)
            place += 1
    return found


def test_lists_are_taken_whole_or_refused_whole(core: Core) -> None:
    rng = random.Random(11)
    for _ in range(1500):
        rows = records(*({} for _ in range(rng.randint(1, 12))))
        rows["type"] = rng.choices((1, 2), (6, 1), k=len(rows))
        rows["flags"] = np.where(rows["type"] == 1, rng.choices((0, 16, 32, 48), k=len(rows)), 0)
        rows["account"] = rng.choices((1, 2), (5, 1), k=len(rows))
        rows["durability"] = rng.choices((0, 9), (8, 1), k=len(rows))
        alone = [int(Reason.INVALID_FIELD) if durability else 0 for durability in rows["durability"]]
        assert refusals(SERVICE, rows, core)[:, 0].tolist() == slowly(rows, alone)
