"""The tables in `tables/`, on the engine and on its reference: see `trader_tables` for how to read and write one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from table_player import Player
from trader_tables import Case, read

from engine.core import Core
from engine.reference import Reference
from engine.words import REASONS, Reason

TABLES = sorted((Path(__file__).parent / "tables").glob("*.txt"))
CASES = [(path.stem, case) for path in TABLES for case in read(path)]


@pytest.mark.parametrize("engine", [Reference, Core], ids=["reference", "core"])
@pytest.mark.parametrize("case", [pytest.param(case, id=f"{file}: {case.title}") for file, case in CASES])
def test_case(case: Case, engine: Any) -> None:
    Player(engine, case).play()


def test_titles_are_unique() -> None:
    titles = [(file, case.title) for file, case in CASES]
    assert len(titles) == len(set(titles))


def test_every_reason_of_the_matcher_is_in_a_table() -> None:
    """Those that a door finds out before a command becomes a record are tested with the door."""
    at_the_door = {
        *(Reason.MALFORMED, Reason.NOT_AUTHORIZED, Reason.UNSUPPORTED, Reason.BUSY),
        Reason.PRICE_INCREMENT,
    }
    words = {word for _, case in CASES for step in case.steps for answer in step.answers for word in answer}
    assert {reason.wire for reason in set(REASONS) - at_the_door} <= words


def test_a_table_that_is_wrong_fails(tmp_path: Path) -> None:
    """A wrong expectation must not pass unseen."""
    right = (
        "== t\nbook before\n ann a1 sell 5 @ 10.00\ncommands\n > bob cancel a1\n   - rejected order none {}\n   = {}\n"
    )
    path = tmp_path / "t.txt"
    for reason, reply in (("", "accepted"), ("reason too_late field client_order_id", "rejected")):
        path.write_text(right.format(reason, reply))
        (case,) = read(path)
        with pytest.raises(AssertionError):
            Player(Reference, case).play()
    path.write_text("== t\ncommands\n a line out of place\n")
    with pytest.raises(ValueError, match=r"t.txt:3: 'a line out of place'"):
        read(path)
