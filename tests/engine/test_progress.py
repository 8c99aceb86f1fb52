"""How far the journal is published: the mapped file, the backlog's bytes, and what counts as acknowledged."""

from __future__ import annotations

from pathlib import Path

from engine.deliveries import Deliveries
from engine.progress import Backlog, Progress


def test_one_process_sees_what_the_other_wrote(tmp_path: Path) -> None:
    with Progress(tmp_path, 7) as engine, Progress(tmp_path, 7) as publisher:
        assert engine.committed == 0
        publisher.committed = 12
        assert engine.committed == 12
    with Progress(tmp_path, 7) as again, Progress(tmp_path, 8) as other:
        assert (again.committed, other.committed) == (12, 0)
        other.committed = 3
        assert (again.committed, other.committed) == (0, 3)


def test_the_backlog_is_never_told_too_small() -> None:
    backlog = Backlog()
    assert backlog.past(0) == 0
    for seq in range(1, 101):
        backlog.note(seq, seq * 100_000)
    for committed in range(101):
        real = (100 - committed) * 100_000
        assert real <= backlog.past(committed) <= real + (2 << 20)
    assert backlog.past(100) == 0


def test_committed_is_what_nothing_is_on_its_way_of() -> None:
    deliveries = Deliveries()
    first, second, third = (deliveries.begin(seq) for seq in (4, 5, 9))
    first.records, second.records = 2, 1
    second.records -= 1
    assert deliveries.committed() is None, "a later frame's records do not count before an earlier one's"
    first.records -= 1
    assert deliveries.committed() is None
    first.records -= 1
    assert deliveries.committed() == 9, "frames without records count as soon as those before do"
    assert third.records == 0
    assert deliveries.committed() is None
