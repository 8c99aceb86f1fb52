"""What a check found."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Verdict = Literal["ok", "advice", "problem", "unknown"]
"""`advice`: it works, but slower or less safely than it could. `problem`: something will go wrong. `unknown`: it could
not be looked at here, and why."""


class Finding(Struct, kw_only=True, frozen=True):
    check: str
    verdict: Verdict
    found: str
    why: str = ""
    """What it does to the system; for `unknown`, why it could not be looked at."""
    mend: str = ""
    """The command or the setting that would change it."""


def ok(check: str, found: str) -> Finding:
    return Finding(check=check, verdict="ok", found=found)


def advice(check: str, found: str, why: str, mend: str) -> Finding:
    return Finding(check=check, verdict="advice", found=found, why=why, mend=mend)


def problem(check: str, found: str, why: str, mend: str) -> Finding:
    return Finding(check=check, verdict="problem", found=found, why=why, mend=mend)


def unknown(check: str, why: str) -> Finding:
    return Finding(check=check, verdict="unknown", found="", why=why)
