"""The hash chains of the topic `audit`: each link holds the hash of the one before it by the same writer. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import msgspec

from engine.messages import AuditLink, as_json

GENESIS: Final = "0" * 64
"""What the first link of a chain has for the one before it."""

END: Final = b'"}'
"""Of a link's JSON: the last field is its hash, which is text."""

_decoder: Final = msgspec.json.Decoder(AuditLink)


def link_hash(link: AuditLink) -> str:
    """SHA-256 of the link's JSON with an empty `hash`; `previous` is part of it."""
    return hashlib.sha256(as_json(msgspec.structs.replace(link, hash=""))).hexdigest()


class Link(NamedTuple):
    """One that was made here."""

    number: int
    hash: str
    json: bytes
    """Of all of it, an `AuditLink`."""


def linked(*, number: int, **fields: Any) -> Link:
    """The link of these fields, with its hash; its JSON is written once, since requests wait for it."""
    empty = as_json(AuditLink(number=number, **fields, hash=""))
    digest = hashlib.sha256(empty).hexdigest()
    return Link(number, digest, empty[: -len(END)] + digest.encode() + END)


class Broken(NamedTuple):
    """The first place where a chain does not hold."""

    writer: str
    offset: int
    why: str


class Verdict(NamedTuple):
    links: dict[str, int]
    """Writer → how many links its chain has here."""
    broken: list[Broken]
    """At most one for each writer."""

    @property
    def ok(self) -> bool:
        return not self.broken

    def report(self) -> str:
        if self.broken:
            return "\n".join(f"audit: {where.writer} at offset {where.offset}: {where.why}" for where in self.broken)
        return f"audit: {sum(self.links.values()):,} links of {len(self.links)} writers, every chain holds"


def verify(records: Iterable[tuple[int, bytes]], *, whole: bool) -> Verdict:
    """Follows every chain through the records (offset, value) of the topic. `whole`: the topic has been kept from its
    beginning, so that each chain must begin with its first link."""
    heads: dict[str, AuditLink] = {}
    links: dict[str, int] = {}
    broken: dict[str, Broken] = {}
    for offset, value in records:
        try:
            link = _decoder.decode(value)
        except msgspec.MsgspecError as error:
            broken.setdefault("?", Broken("?", offset, f"the record is no link: {error}"))
            continue
        why = _why_broken(link, heads.get(link.writer), whole)
        if why is not None:
            broken.setdefault(link.writer, Broken(link.writer, offset, why))
        heads[link.writer] = link
        links[link.writer] = links.get(link.writer, 0) + 1
    return Verdict(links, list(broken.values()))


def _why_broken(link: AuditLink, head: AuditLink | None, whole: bool) -> str | None:
    if link.hash != link_hash(link):
        return f"link {link.number} was changed: its hash is another"
    if head is None:
        if whole and (link.number != 1 or link.previous != GENESIS):
            return f"the chain begins with link {link.number}: what was before it is missing"
        return None
    if link.number != head.number + 1:
        return f"link {link.number} follows link {head.number}"
    if link.previous != head.hash:
        return f"link {link.number} does not follow the link {head.number} that is here"
    return None
