"""Every check, and what they found as text."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from infra import jars
from infra.doctor import clock, disk, machine, processes, secrecy, servers, sysctl
from infra.doctor.finding import Finding, Verdict, ok
from infra.folders import folders
from infra.settings import Settings
from infra.status import running

BYTES_PER_ORDER: Final = 640
"""Of the engine's memory for each order that there is room for (`hft bench memory`)."""
MARKS: Final[dict[Verdict, str]] = {
    "ok": "ok",
    "advice": "could be better",
    "problem": "PROBLEM",
    "unknown": "not known",
}
PACKAGES: Final = (
    "faust-streaming",
    "pyzmq",
    "confluent-kafka",
    "redis",
    "psycopg",
    "numba",
    "numpy",
    "starlette",
    "polars",
)


def findings(settings: Settings, root: Path) -> Iterator[Finding]:
    """Every check, in the order of the page docs/tuning.md. `root`: where /proc and /sys are looked for."""
    where = folders(settings.var)
    cpu = int(settings.engine_cpu) if settings.engine_cpu else None
    yield from versions()
    yield from machine.Machine(root, cpu, settings.max_orders * BYTES_PER_ORDER).findings()
    yield from sysctl.findings(root)
    yield from disk.findings(disk.nearest(where.var), (root / "proc/mounts").read_text())
    state = running(where)
    services = servers.Servers(
        settings.bootstrap,
        settings.dsn,
        settings.redis,
        running=state is not None,
        own=[name for name in ("HFT_KAFKA_BOOTSTRAP", "HFT_POSTGRES_DSN", "HFT_REDIS_URL") if named(settings, name)],
        kafka_version="" if settings.kafka_bootstrap else jars.kafka_version(),
    )
    yield from services.findings()
    yield from processes.findings(settings, where, state)
    clocks = {"Postgres": services.postgres_clock, "Redis": services.redis_clock}
    yield from clock.findings(clock.kernel_status(), clocks)
    default = str(Settings.model_fields["demo_password"].default)
    yield from secrecy.findings(settings.host, settings.demo_password, default, where.secrets, Path(".env"))


def named(settings: Settings, variable: str) -> bool:
    """Whether the setting is given."""
    return bool(getattr(settings, variable.removeprefix("HFT_").lower()))


def versions() -> Iterator[Finding]:
    """What would be asked for in a report of a fault."""
    yield ok("system", f"{platform.system()} {platform.release()}, Python {platform.python_version()}")
    yield ok("packages", ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("hft", *PACKAGES)))


def text(found: list[Finding], everything: bool) -> str:
    """For people: problems first, then advice, then what could not be looked at."""
    lines: list[str] = []
    shown: tuple[Verdict, ...] = ("problem", "advice", "unknown", *(("ok",) if everything else ()))
    for verdict in shown:
        for finding in found:
            if finding.verdict != verdict:
                continue
            lines.append(f"{MARKS[verdict]:<16} {finding.check}: {finding.found or finding.why}")
            if finding.found and finding.why:
                lines.append(f"{'':<16}   why: {finding.why}")
            if finding.mend:
                lines.append(f"{'':<16}  mend: {finding.mend}")
    count = {verdict: sum(finding.verdict == verdict for finding in found) for verdict in MARKS}
    lines.append(
        f"{len(found)} checks: {count['ok']} ok, {count['advice']} could be better, {count['problem']} problems, "
        f"{count['unknown']} not known here"
    )
    return "\n".join(lines)
