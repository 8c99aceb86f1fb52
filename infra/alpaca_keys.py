"""Alpaca's keys: from the environment, or from a file that only its owner reads. They are no settings, so that nothing
that shows settings shows them."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from infra.errors import OperatorError

NAMES: Final = ("ALPACA_API_KEY", "ALPACA_API_SECRET")
WHERE: Final = "there is no ALPACA_API_KEY and ALPACA_API_SECRET in the environment, and none in HFT_ALPACA_KEYS"


def read(path: Path, environment: Mapping[str, str] = os.environ) -> tuple[str, str] | None:
    """Key and secret, None where there are none at all.

    Raises:
        OperatorError: there is one of the two only, or others may read the file.
    """
    found = {name: environment.get(name, "") for name in NAMES}
    place = "the environment"
    if not any(found.values()):
        path = path.expanduser()
        try:
            with path.open() as file:
                if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                    raise OperatorError(f"{path} holds keys and others may read it: chmod 600 {path}")
                lines = [line.strip().partition("=") for line in file]
        except FileNotFoundError:
            return None
        except OSError as error:
            raise OperatorError(f"{path} cannot be read: {error.strerror}") from None
        place = f"{path}"
        found |= {name: value.strip().strip("\"'") for name, _, value in lines if name in NAMES}
    missing = [name for name in NAMES if not found[name]]
    if missing:
        raise OperatorError(f"{place} has no {' and no '.join(missing)}")
    return found[NAMES[0]], found[NAMES[1]]


def needed(path: Path) -> tuple[str, str]:
    """Raises `OperatorError` where there are none."""
    found = read(path)
    if found is None:
        raise OperatorError(f"Alpaca needs keys: {WHERE}")
    return found
