"""What a backup says of itself: one JSON file, with the SHA-256 of every other file; its own lies beside it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from infra.errors import OperatorError

FORMAT: Final = 1
"""Of the backup's files. A program reads its own and older ones."""
NAME: Final = "manifest.json"
SUM: Final = "manifest.json.sha256"
"""As `sha256sum` writes it, so that `sha256sum -c` reads it."""
CHUNK: Final = 1 << 20


class File(Struct, frozen=True):
    bytes: int
    sha256: str


class PartitionPart(Struct, frozen=True):
    """One partition of a topic: its offsets from `low` up to `end`, of which `records` are there."""

    low: int
    end: int
    records: int


class TopicPart(Struct, frozen=True):
    compacted: bool
    """Then the records get new offsets when they are restored."""
    partitions: list[PartitionPart]


class TablePart(Struct, frozen=True):
    columns: list[str]
    rows: int


class Manifest(Struct, frozen=True, kw_only=True):
    format: int = FORMAT
    program: str
    """Version of the program that wrote it."""
    created_ns: int
    identity: int
    """Of the journal."""
    shard: int
    epoch: int
    max_orders: int
    seq: int
    """The last command: what a restored system begins with."""
    ts_ns: int
    """Its stamp."""
    schema: int
    """Version of the tables."""
    topics: dict[str, TopicPart]
    tables: dict[str, TablePart]
    files: dict[str, File]


class _Format(Struct):
    format: int


def write(folder: Path, manifest: Manifest) -> None:
    data = msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"
    (folder / NAME).write_bytes(data)
    (folder / SUM).write_text(f"{hashlib.sha256(data).hexdigest()}  {NAME}\n")


def read(folder: Path) -> Manifest:
    """Raises `OperatorError` where there is none, it is damaged, or of a newer program's format."""
    try:
        data = (folder / NAME).read_bytes()
        said = (folder / SUM).read_text().split()
    except OSError as error:
        raise OperatorError(f"{folder} is no backup: {error.filename} cannot be read ({error.strerror})") from None
    damaged = OperatorError(f"{folder / NAME} is damaged: restore from another backup")
    if said[:1] != [hashlib.sha256(data).hexdigest()]:
        raise damaged
    try:
        of = msgspec.json.decode(data, type=_Format).format
        if of > FORMAT:
            raise OperatorError(
                f"{folder} is a backup of format {of}, this program reads up to {FORMAT}: restore it with a newer hft"
            )
        return msgspec.json.decode(data, type=Manifest)
    except msgspec.MsgspecError:
        raise damaged from None


def check(folder: Path, manifest: Manifest) -> None:
    """Raises `OperatorError` for the first file that is missing, or is another than when it was written."""
    for name, file in manifest.files.items():
        path = folder / name
        try:
            found = File(path.stat().st_size, digest(path))
        except OSError as error:
            raise OperatorError(f"{path} cannot be read ({error.strerror}): restore from another backup") from None
        if found != file:
            raise OperatorError(f"{path} is damaged (its SHA-256 is another): restore from another backup")


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
