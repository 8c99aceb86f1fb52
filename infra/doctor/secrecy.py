"""Secrets: whether those that everybody knows are in use, and who can read the others."""

from __future__ import annotations

import ipaddress
import stat
from collections.abc import Iterator
from pathlib import Path

from infra.doctor.finding import Finding, advice, ok, problem


def findings(host: str, demo_password: str, default_password: str, secrets: Path, env_file: Path) -> Iterator[Finding]:
    """`secrets`: the folder VAR/secrets; `env_file`: the `.env` that settings are read from."""
    yield _demo(host, demo_password, default_password)
    yield _readable("secrets", secrets)
    if env_file.exists():
        yield _readable(".env", env_file)


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _demo(host: str, password: str, default: str) -> Finding:
    name = "demo login"
    if not password:
        return ok(name, "there is none")
    if password != default:
        return ok(name, "its password is your own")
    if is_loopback(host):
        return ok(name, f"the password that everybody knows, reachable from this machine alone ({host})")
    return problem(
        name,
        f"the password that everybody knows, and we listen at {host}",
        "whoever reaches the port can trade",
        "HFT_DEMO_PASSWORD= (empty: no demo user)",
    )


def _readable(name: str, path: Path) -> Finding:
    if not path.exists():
        return ok(name, "none yet")
    mode = stat.S_IMODE(path.stat().st_mode)
    if not mode & 0o077:
        return ok(name, f"mode {mode:o}: its owner's alone")
    wanted = "700" if path.is_dir() else "600"
    return advice(
        name, f"{path} has mode {mode:o}", "other users of this machine can read it", f"chmod {wanted} {path}"
    )
