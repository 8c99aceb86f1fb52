"""Snapshots: the whole state at one command, so that a start need not replay the journal from its beginning.

A file `SEQ.snapshot`: a head (magic, length and CRC32C of the description), the description as JSON, then for every
array which of its 64 KiB pages are not all zero, and those pages; at the end the CRC32C of everything. It is written
under another name, brought to the disk, renamed, and its folder brought to the disk: what has the name is whole. It
gets its name only when the journal up to its command is on the disk, so that it is never ahead.
"""

from __future__ import annotations

import logging
import os
import struct
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

import google_crc32c
import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.core import Core
from engine.disk import Disk, write_all
from engine.registry import AccountEntry, InstrumentEntry
from engine.segments import JournalError
from engine.units import Scale

log = logging.getLogger(__name__)

VERSION: Final = 2
MAGIC: Final = b"HFTSNAP\0"
HEAD: Final = struct.Struct("<8sIIII")
"""Magic, version, bytes of the description, its CRC32C; then 4 zeros."""
CRC: Final = struct.Struct("<I")
PAGE: Final = 1 << 16
KEPT: Final = 2
SUFFIX: Final = ".snapshot"
FOLDER: Final = "snapshots"
LARGEST_WRITE: Final = 64 * PAGE


class SnapshotError(RuntimeError):
    """The file is not a whole snapshot that this program can read."""


class Place(NamedTuple):
    """Where in the journal a state stands."""

    shard: int
    epoch: int
    identity: int
    """Of the journal."""
    seq: int
    """The last command that has been applied."""
    ts_ns: int
    """Its stamp."""
    next_offsets: dict[int, int]
    """Of the topic `orders`, by partition: the first record that is not in the journal."""


class Array(NamedTuple):
    """One array of the state."""

    path: tuple[str, ...]
    """The fields that lead to it from `core.engine`."""
    dtype: str
    shape: tuple[int, ...]
    shares: tuple[str, ...] | None
    """The path of the array whose memory this one shows in another way; then no pages are stored."""


class Description(NamedTuple):
    """What stands before the pages."""

    place: Place
    max_orders: int
    state_hash: str
    instruments: list[InstrumentEntry]
    accounts: list[AccountEntry]
    arrays: list[Array]


def _encode(value: Any) -> Any:
    if isinstance(value, Scale):
        return [str(value.tick), str(value.lot)]
    raise TypeError(f"{type(value)} has no place in a snapshot")


def _decode(kind: type, value: Any) -> Any:
    if kind is Scale:
        return Scale(Decimal(value[0]), Decimal(value[1]))
    raise TypeError(f"{kind} has no place in a snapshot")


_encoder: Final = msgspec.json.Encoder(enc_hook=_encode)
_decoder: Final = msgspec.json.Decoder(Description, dec_hook=_decode)


def snapshots(folder: Path) -> list[Path]:
    """The snapshot files, newest first."""
    return sorted(folder.glob(f"*{SUFFIX}"), reverse=True)


# ------------------------------------------------------------------------------------------------------ the arrays


def _walk(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], NDArray[Any]]]:
    """Every array of a nested tuple, by the fields that lead to it."""
    if isinstance(value, np.ndarray):
        yield path, value
        return
    for name in value._fields:
        yield from _walk(getattr(value, name), (*path, name))


def _rebuilt(value: Any, arrays: dict[tuple[str, ...], NDArray[Any]], path: tuple[str, ...] = ()) -> Any:
    """The same nested tuple with other arrays."""
    if isinstance(value, np.ndarray):
        return arrays[path]
    return type(value)(*(_rebuilt(getattr(value, name), arrays, (*path, name)) for name in value._fields))


def _dtype_text(array: NDArray[Any]) -> str:
    return repr(array.dtype.descr)


def _arrays(engine: Any) -> list[tuple[Array, NDArray[Any]]]:
    """Raises TypeError for an array that is not contiguous, or shows only a part of another's memory."""
    first: dict[int, tuple[tuple[str, ...], int]] = {}
    found = []
    for path, array in _walk(engine):
        if not array.flags.c_contiguous:
            raise TypeError(f"the state's array {'.'.join(path)} is not contiguous")
        start = array.__array_interface__["data"][0]
        shares, size = first.setdefault(start, (path, array.nbytes))
        if size != array.nbytes:
            raise TypeError(f"the state's arrays {'.'.join(path)} and {'.'.join(shares)} share memory in part")
        found.append((Array(path, _dtype_text(array), array.shape, None if shares == path else shares), array))
    spans = sorted((start, start + size, path) for start, (path, size) in first.items())
    for (_, end, path), (start, _, after) in pairwise(spans):
        if start < end:
            raise TypeError(f"the state's arrays {'.'.join(path)} and {'.'.join(after)} share memory in part")
    return found


def _bytes(array: NDArray[Any]) -> NDArray[np.uint8]:
    return array.reshape(-1).view(np.uint8)


def _used_pages(data: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which pages hold anything but zeros. Looks at 64-bit words, at a few MiB at a time."""
    used = np.zeros(-(-len(data) // PAGE), np.bool_)
    whole = len(data) // PAGE
    for start in range(0, whole, 64):
        end = min(whole, start + 64)
        used[start:end] = data[start * PAGE : end * PAGE].view("<u8").reshape(end - start, -1).any(axis=1)
    if whole < len(used):
        used[whole] = bool(data[whole * PAGE :].any())
    return used


def _stretches(used: NDArray[np.bool_], size: int) -> Iterator[tuple[int, int]]:
    """The used pages as (start, end) in bytes, neighbours together, none longer than LARGEST_WRITE."""
    padded = np.concatenate(([False], used, [False]))
    edges = np.flatnonzero(padded[1:] != padded[:-1])
    for first, last in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        for start in range(first * PAGE, last * PAGE, LARGEST_WRITE):
            yield start, min(start + LARGEST_WRITE, last * PAGE, size)


# --------------------------------------------------------------------------------------------------------- writing


def write(folder: Path, core: Core, place: Place, disk: Disk) -> Path:
    """Writes the core's state under a name that is not yet a snapshot's: `publish` gives it. Raises OSError."""
    found = _arrays(core.engine)
    description = _encoder.encode(
        Description(
            place=place,
            max_orders=core.max_orders,
            state_hash=core.state_hash(),
            instruments=list(core.instruments),
            accounts=list(core.accounts),
            arrays=[array for array, _ in found],
        )
    )
    disk.make_folder(folder)
    for path in folder.glob("*.new"):
        disk.remove(path)
    unfinished = folder / f"{place.seq:020d}.new"
    descriptor = disk.open(unfinished)
    crc = 0

    def put(data: bytes) -> None:
        nonlocal crc
        crc = google_crc32c.extend(crc, data)
        write_all(disk, descriptor, data)

    try:
        put(HEAD.pack(MAGIC, VERSION, len(description), google_crc32c.value(description), 0))
        put(description)
        for array, values in found:
            if array.shares is None:
                data = _bytes(values)
                used = _used_pages(data)
                put(np.packbits(used).tobytes())
                for start, end in _stretches(used, len(data)):
                    put(data[start:end].tobytes())
        write_all(disk, descriptor, CRC.pack(crc))
        disk.sync(descriptor)
    finally:
        disk.close(descriptor)
    return unfinished


def publish(unfinished: Path, disk: Disk, committed: int = 0) -> Path:
    """Gives the snapshot its name; of the older ones the last stays, and the newest that the publisher can begin with,
    which is at or before the command `committed`. The journal must be on the disk up to it."""
    path = unfinished.with_suffix(SUFFIX)
    disk.rename(unfinished, path)
    disk.sync_folder(path.parent)
    files = snapshots(path.parent)
    first = next((file for file in files if int(file.stem) <= committed), None)
    for old in files[KEPT:]:
        if old != first:
            disk.remove(old)
    return path


# --------------------------------------------------------------------------------------------------------- reading


class _Source:
    """A file's bytes, counted into a CRC32C."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._left = os.fstat(file.fileno()).st_size
        self.crc = 0

    def take(self, size: int) -> bytes:
        """Raises `SnapshotError` where there are fewer."""
        data: bytes = self._file.read(size) if size <= self._left else b""
        self._left -= len(data)
        if len(data) != size:
            raise SnapshotError("it ends too early")
        self.crc = google_crc32c.extend(self.crc, data)
        return data


def _description(source: _Source) -> Description:
    magic, version, size, crc, _ = HEAD.unpack(source.take(HEAD.size))
    if magic != MAGIC:
        raise SnapshotError("it is no snapshot")
    if version != VERSION:
        raise SnapshotError(f"it is of version {version}, this program reads {VERSION}")
    data = source.take(size)  # a wrong size finds the file's end, or the wrong CRC32C
    if google_crc32c.value(data) != crc:
        raise SnapshotError("its description is damaged")
    try:
        return _decoder.decode(data)
    except msgspec.ValidationError as error:
        raise SnapshotError(f"another version of the program wrote it: {error}") from None


def describe(path: Path) -> Description:
    """What a snapshot says of itself; its pages are not looked at. Raises `SnapshotError`."""
    with open(path, "rb") as file:
        return _description(_Source(file))


def _read_array(source: _Source, like: NDArray[Any], described: Array) -> NDArray[Any]:
    # Fresh zeros, whatever is not stored costs neither time nor memory.
    array = np.zeros(described.shape, like.dtype)
    data = _bytes(array)
    count = -(-len(data) // PAGE)
    packed = np.frombuffer(source.take(-(-count // 8)), np.uint8)
    used = np.unpackbits(packed, count=count).astype(np.bool_)
    for start, end in _stretches(used, len(data)):
        data[start:end] = np.frombuffer(source.take(end - start), np.uint8)
    return array


def load(path: Path, core: Core) -> Place:
    """Brings a new core to the state in the file, bit by bit. Raises `SnapshotError`, and then has changed nothing."""
    with open(path, "rb") as file:
        source = _Source(file)
        description = _description(source)
        if description.max_orders != core.max_orders:
            raise SnapshotError(f"it is of a core with room for {description.max_orders} orders")
        known = dict(_walk(core.engine))
        if [array.path for array in description.arrays] != list(known):
            raise SnapshotError("another version of the program wrote it: the state has other parts")
        arrays: dict[tuple[str, ...], NDArray[Any]] = {}
        for described in description.arrays:
            like = known[described.path]
            if described.dtype != _dtype_text(like) or len(described.shape) != like.ndim:
                name = ".".join(described.path)
                raise SnapshotError(f"another version of the program wrote it: {name} has another layout")
            if described.shares is None:
                arrays[described.path] = _read_array(source, like, described)
            else:
                shared = _bytes(arrays[described.shares])
                arrays[described.path] = shared.view(like.dtype).reshape(described.shape)
        crc = source.crc
        if file.read() != CRC.pack(crc):
            raise SnapshotError("its CRC32C is wrong")
    _restore(core, description, arrays)
    return description.place


def _restore(core: Core, description: Description, arrays: dict[tuple[str, ...], NDArray[Any]]) -> None:
    core.engine = _rebuilt(core.engine, arrays)
    for instrument in description.instruments:
        core.instruments.put(instrument)
    for account in description.accounts:
        core.accounts.put(account)
    core.last_seq = description.place.seq
    if core.state_hash() != description.state_hash:
        raise JournalError(
            f"the snapshot at command {core.last_seq} is whole, but this program makes another state of it than the "
            "one that wrote it: move the snapshots away, and the journal is replayed from its beginning"
        )


def newest(folder: Path, core: Core, identity: int, *, most: int | None = None) -> Place | None:
    """Brings a new core to the newest good snapshot of the journal `identity` at or before command `most`; None where
    there is none. Raises `JournalError` for one of another journal."""
    for path in snapshots(folder):
        if most is not None and int(path.stem) > most:
            continue
        try:
            check_belongs(path, describe(path).place, identity)
            place = load(path, core)
        except (SnapshotError, OSError) as error:
            log.warning("%s is passed over: %s", path, error)
            continue
        log.info("took the state at command %d from %s", place.seq, path)
        return place
    return None


def check_belongs(path: Path, place: Place, identity: int) -> None:
    """Raises `JournalError` where the snapshot is of another journal than `identity`."""
    if place.identity != identity:
        raise JournalError(
            f"{path} belongs to another journal than the one beside it: restore the journal that it was made from, or "
            "move it elsewhere, and the journal is replayed without it"
        )
