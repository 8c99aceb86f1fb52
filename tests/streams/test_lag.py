"""When a sink says that it is behind."""

from __future__ import annotations

from streams.sinks.lag import FAR_RECORDS, FAR_S, SAY_AGAIN_S, Lag


def test_a_little_behind_says_nothing() -> None:
    lag = Lag()
    assert lag.note(10, 1_000_000, 1_000.5) is None
    assert (lag.records, lag.seconds) == (10, 0.5)
    assert lag.note(0, 1_000_000, 9_999.0) is None
    assert (lag.records, lag.seconds) == (0, 0.0)


def test_far_behind_is_said_now_and_then_and_so_is_the_end() -> None:
    lag = Lag()
    now = 5_000.0
    assert lag.note(FAR_RECORDS, 4_999_000, now) == f"{FAR_RECORDS:,} records behind, 1 s"
    assert lag.note(FAR_RECORDS + 1, 4_999_000, now + 1) is None
    assert lag.note(3, 0, now + SAY_AGAIN_S) is not None
    assert lag.note(1, 1000 * int(now + 2 * SAY_AGAIN_S), now + 2 * SAY_AGAIN_S) is None
    assert lag.note(0, 0, now + 2 * SAY_AGAIN_S) == "caught up"
    assert lag.note(0, 0, now + 2 * SAY_AGAIN_S) is None


def test_few_records_that_are_old_are_far_behind() -> None:
    assert Lag().note(1, 0, FAR_S) == "1 records behind, 30 s"
