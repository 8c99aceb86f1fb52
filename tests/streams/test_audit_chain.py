"""A chain tells whatever was done to it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from engine.messages import AuditLink, as_json
from streams.audit_chain import GENESIS, linked, verify


def chain(writer: str, count: int) -> list[AuditLink]:
    links: list[AuditLink] = []
    for number in range(1, count + 1):
        made = linked(
            writer=writer,
            number=number,
            ts_ns=number,
            actor="ann",
            session="login-1",
            address="127.0.0.1",
            source="rest",
            action="POST /api/order",
            target="/api/order",
            status=201,
            reason=None,
            seq=number,
            content="0" * 64,
            previous=links[-1].hash if links else GENESIS,
        )
        links.append(msgspec.json.decode(made.json, type=AuditLink))
        assert (made.number, made.hash, made.json) == (number, links[-1].hash, as_json(links[-1]))
    return links


def verdict(links: list[Any], *, whole: bool = True) -> list[str]:
    records = [(offset, link if isinstance(link, bytes) else as_json(link)) for offset, link in enumerate(links)]
    return [f"{where.writer} {where.offset}: {where.why}" for where in verify(records, whole=whole).broken]


def test_chains_that_hold() -> None:
    one, two = chain("one", 5), chain("two", 3)
    mixed = [one[0], two[0], one[1], one[2], two[1], two[2], one[3], one[4]]
    found = verify([(offset, as_json(link)) for offset, link in enumerate(mixed)], whole=True)
    assert found.ok
    assert found.links == {"one": 5, "two": 3}
    assert found.report() == "audit: 8 links of 2 writers, every chain holds"
    assert verdict(one[2:], whole=False) == [], "what the retention took is not missed"


@pytest.mark.parametrize("name", [name for name in AuditLink.__struct_fields__ if name not in ("v", "hash")])
def test_a_changed_field_is_noticed(name: str) -> None:
    links = chain("one", 4)
    changed = {"number": 9, "status": 500, "seq": 77, "ts_ns": 99}.get(name, "changed")
    links[1] = msgspec.structs.replace(links[1], **{name: changed})
    assert any("its hash is another" in why for why in verdict(links))


def test_a_changed_link_with_a_hash_of_its_own_is_noticed() -> None:
    links = chain("one", 4)
    fields = msgspec.structs.asdict(links[1])
    del fields["hash"], fields["v"]
    forged = linked(**{**fields, "actor": "eve"})
    assert verdict([links[0], forged.json, *links[2:]]) == ["one 2: link 3 does not follow the link 2 that is here"]


def test_links_taken_out_turned_around_or_put_in_twice_are_noticed() -> None:
    links = chain("one", 4)
    assert verdict([links[0], links[2], links[3]]) == ["one 1: link 3 follows link 1"]
    assert verdict([links[0], links[2], links[1], links[3]])[0] == "one 1: link 3 follows link 1"
    assert verdict([links[0], links[1], links[1]]) == ["one 2: link 2 follows link 2"]
    assert verdict(links[1:]) == ["one 0: the chain begins with link 2: what was before it is missing"]
    assert verdict([links[0], b"{}"])[0].startswith("? 1: the record is no link")
