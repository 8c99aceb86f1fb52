"""The files of a backup: each compressed by zstd, its SHA-256 taken while it is written."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import zstandard

from infra.backup.manifest import File

SUFFIX: Final = ".zst"
LEVEL: Final = 3
CHUNK: Final = 1 << 20


class _Summed:
    """Hashes what is written to a file."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.hash = hashlib.sha256()
        self.bytes = 0

    def write(self, data: bytes) -> int:
        self.hash.update(data)
        self.bytes += len(data)
        return self._file.write(data)


class Parts:
    """Writes the files of one backup; `files` is what its manifest says of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[str, File] = {}

    @contextmanager
    def writing(self, name: str) -> Iterator[Any]:
        """Where the content of `name` is written to, on the disk at the end; only its owner may read it."""
        path = self.folder / f"{name}{SUFFIX}"
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            summed = _Summed(file)
            with zstandard.ZstdCompressor(level=LEVEL).stream_writer(summed, closefd=False) as packed:  # type: ignore[arg-type]
                yield packed
            file.flush()
            os.fsync(file.fileno())
        self.files[f"{name}{SUFFIX}"] = File(summed.bytes, summed.hash.hexdigest())

    def put(self, name: str, content: bytes) -> None:
        with self.writing(name) as file:
            file.write(content)


@contextmanager
def reading(folder: Path, name: str) -> Iterator[Any]:
    """The content of a file of a backup, as a file."""
    with (folder / f"{name}{SUFFIX}").open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as content:
        yield content


def chunks(content: Any) -> Iterator[bytes]:
    while data := content.read(CHUNK):
        yield data


def unpack(folder: Path, name: str, path: Path, mode: int = 0o600) -> None:
    """Writes the content of a file of a backup to `path`, and to the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with reading(folder, name) as content, open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as out:
        for data in chunks(content):
            out.write(data)
        out.flush()
        os.fsync(out.fileno())
