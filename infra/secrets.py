"""Secrets that the system makes for itself, in files that only its owner reads."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

from infra.errors import OperatorError

LENGTH_MIN: Final = 32
"""As RFC 7518, 3.2 asks for HMAC with SHA-256."""


def jwt_secret(setting: str, folder: Path, *, create: bool = False) -> str:
    """The secret that signs tokens: the setting, or the one kept in `folder`, made there at the first start.

    Raises `OperatorError` where there is none, or a short one."""
    if setting:
        if len(setting) < LENGTH_MIN:
            raise OperatorError(f"HFT_JWT_SECRET has fewer than {LENGTH_MIN} characters: anybody could guess it")
        return setting
    path = folder / "jwt"
    try:
        if create:
            _create(path)
        return path.read_text().strip()
    except FileNotFoundError:
        raise OperatorError(f"there is no secret in {path} yet: run hft up first, or set HFT_JWT_SECRET") from None
    except OSError as error:
        raise OperatorError(f"the secret {path} cannot be read ({error.strerror}): set HFT_JWT_SECRET") from None


def _create(path: Path) -> None:
    """Whole or not at all: written beside its place, then linked there unless there is one."""
    if path.exists():
        return
    new = path.with_name(f".{path.name}.{os.getpid()}")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(48))
    try:
        os.link(new, path)
    except FileExistsError:
        pass
    finally:
        new.unlink()
