"""That somebody wants to trade with real money: the number of the account that was typed, in a file of VAR/secrets."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

NAME: Final = "alpaca-live"


def read(secrets: Path) -> str:
    """The number of the account, empty where nobody has confirmed any."""
    try:
        return (secrets / NAME).read_text().strip()
    except FileNotFoundError:
        return ""


def write(secrets: Path, number: str) -> None:
    secrets.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = secrets / NAME
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(f"{number}\n")
