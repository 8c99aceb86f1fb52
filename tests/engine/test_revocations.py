"""A revoked session ends at once, and stays out: over its own connection, a new one, and a new engine."""

from __future__ import annotations

import time
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from engine.client import Client
from engine.messages import NewOrder
from engine.refusal import Refusal
from engine.revocations import RevocationFile, Revocations
from engine.tokens import Identity, issue
from engine.words import Reason
from tests.engine.doors import SECRET, define, logged_in, open_engine


def soon() -> int:
    """Ten minutes from now: a suite may have begun longer ago than that."""
    return int(time.time()) + 600


def of_session(session: str) -> str:
    identity = Identity("ann", "trader", ("demo",), session=session)
    return issue(SECRET, identity, now_s=int(time.time()), lifetime_s=600)


def order() -> NewOrder:
    return NewOrder(account="demo", symbol="AAPL", side="buy", quantity=Decimal(1), limit_price=Decimal(190))


def refused(client: Client) -> bool:
    with pytest.raises(Refusal) as caught:
        client.submit([order()])
    assert (caught.value.reason, caught.value.field) == (Reason.NOT_AUTHORIZED, "token")
    return "revoked" in caught.value.text


def cannot_log_in(address: str, session: str) -> bool:
    with closing(Client(address, of_session(session))) as client, pytest.raises(Refusal, match="revoked"):
        client.connect()
    return True


def test_a_revoked_session_is_out_for_good(tmp_path: Path) -> None:
    with open_engine(tmp_path) as (_, address):
        with logged_in(address) as service:
            define(service, "demo")
        with (
            Client(address, of_session("one")) as first,
            Client(address, of_session("two")) as second,
            logged_in(address) as service,
        ):
            assert first.submit([order()])[0].outcome == "accepted"
            with pytest.raises(Refusal):
                first.revoke({"two": soon()})
            assert service.revoke({"one": soon()}).known == 1
            assert refused(first)
            assert second.submit([order()])[0].outcome == "accepted"
            assert cannot_log_in(address, "one")
    with open_engine(tmp_path) as (_, address):
        assert cannot_log_in(address, "one")
        with Client(address, of_session("two")) as second:
            assert second.ping() > 0


def test_what_has_expired_by_itself_is_forgotten() -> None:
    told: list[str] = []
    revocations = Revocations(told.append)
    assert revocations.add("a", 10)
    assert not revocations.add("a", 9)
    assert revocations.add("a", 11)
    assert revocations.add("b", 20)
    assert told == ["a", "b"]
    revocations.prune(12)
    assert ("a" in revocations, "b" in revocations) == (False, True)


def test_a_file_that_cannot_be_read_stops_the_engine(tmp_path: Path) -> None:
    file = RevocationFile(tmp_path)
    assert file.read() == {}
    file.write({"a": 1})
    assert file.read() == {"a": 1}
    (tmp_path / "revocations.json").write_text("{")
    with pytest.raises(ValueError, match=r"revocations\.json cannot be read"):
        file.read()
