"""The trace of an order: W3C ids that follow from its account and client_order_id alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.traces import MOST_KEPT, TRACEPARENT, Traces, carried, for_log, of_headers, trace_id, trace_of, traceparent

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=48)


@given(NAMES, NAMES)
def test_every_order_has_one_that_w3c_allows(account: str, client_order_id: str) -> None:
    header = traceparent(account, client_order_id)
    assert TRACEPARENT.fullmatch(header)
    assert header == traceparent(account, client_order_id)
    assert trace_of(header) == trace_id(account, client_order_id)
    assert for_log(header) == for_log(header.encode()) == {"trace": trace_of(header)}


def test_what_it_is_does_not_change() -> None:
    """Records that were written before must be found by it."""
    assert traceparent("alice", "a-1") == "00-81c89c6eae254c2485068146f10dea1f-3268d13911733e1c-01"
    assert traceparent("alice", "") == ""


def test_orders_of_two_accounts_are_two() -> None:
    assert trace_id("alice", "1") != trace_id("bob", "1") != trace_id("bob1", "")


def test_a_client_gives_its_own() -> None:
    header = f"00-{TRACE}-{SPAN}-00"
    assert carried(header) == TRACE + SPAN
    assert traceparent("alice", TRACE + SPAN) == f"00-{TRACE}-{SPAN}-01"
    assert trace_id("alice", TRACE) == trace_id("bob", TRACE) == TRACE
    assert len(TRACE + SPAN) == 48, "as long as a client_order_id may be"


def test_what_is_no_traceparent_is_not_taken_for_one() -> None:
    for wrong in (
        "",
        "1",
        TRACE,
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01\n00",
    ):
        assert (carried(wrong), trace_of(wrong)) == (None, ""), wrong
    assert trace_id("alice", "0" * 32) != "0" * 32
    assert trace_id("alice", TRACE + "0" * 16) != TRACE


def test_many_at_once_are_the_same_and_few_are_kept() -> None:
    traces = Traces()
    for start in range(0, MOST_KEPT + 3000, 1000):
        names = [f"o-{number}" for number in range(start, start + 1000)]
        found = traces.headers(["alice"] * 1000, [name.encode() for name in names])
        if start in (0, MOST_KEPT + 2000):
            assert found == [traceparent("alice", name).encode() for name in names]
    assert len(traces._kept) <= MOST_KEPT + 1000


def test_the_header_of_a_record() -> None:
    assert of_headers(None) == of_headers([]) == of_headers([("at", b"1.0"), ("traceparent", None)]) == b""
    assert of_headers([("at", b"1.0"), ("traceparent", b"00-a")]) == b"00-a"
    assert for_log(b"00-a\nforged line") == {"trace": ""}
