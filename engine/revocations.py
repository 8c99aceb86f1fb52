"""Sessions whose tokens are refused although they have not expired: what a logout, a password reset or the end of an
API key leaves behind until the last of their tokens has expired by itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

FILE: Final = "revocations.json"


class Revocations:
    """Session → when its last token expires, in seconds since the epoch. `revoked` is told of each new one."""

    def __init__(self, revoked: Callable[[str], None] | None = None) -> None:
        self._until: dict[str, int] = {}
        self._revoked = revoked

    def add(self, session: str, until_s: int) -> bool:
        """Whether this says something new."""
        known = self._until.get(session)
        if known is not None and known >= until_s:
            return False
        self._until[session] = until_s
        if known is None and self._revoked is not None:
            self._revoked(session)
        return True

    def __contains__(self, session: object) -> bool:
        return session in self._until

    def __len__(self) -> int:
        return len(self._until)

    def items(self) -> dict[str, int]:
        return dict(self._until)

    def prune(self, now_s: int) -> None:
        """Forgets sessions of which no token is valid any more."""
        for session in [session for session, until_s in self._until.items() if until_s < now_s]:
            del self._until[session]


class RevocationFile:
    """The engine's own copy: it asks neither Redis nor Postgres, and a restart must let nobody in again."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE

    def read(self) -> dict[str, int]:
        """Raises `ValueError` where the file holds something else: better no engine than one that forgot."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=dict[str, int])
        except FileNotFoundError:
            return {}
        except msgspec.MsgspecError as error:
            raise ValueError(f"{self._path} cannot be read: {error}") from None

    def write(self, sessions: dict[str, int]) -> None:
        new = self._path.with_suffix(".new")
        new.write_bytes(msgspec.json.encode(sessions))
        new.replace(self._path)
