"""The kernel's parameters: those of `infra/tuning/99-hft.conf`, and those of older guides that are gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from infra.doctor.finding import Finding, advice, ok, unknown

WANTED: Final = Path(__file__).parents[1] / "tuning" / "99-hft.conf"


class Gone(NamedTuple):
    since: str
    instead: str


GONE: Final[dict[str, Gone]] = {
    "kernel.sched_latency_ns": Gone("5.13, and the idea with EEVDF in 6.6", "/sys/kernel/debug/sched/base_slice_ns"),
    "kernel.sched_min_granularity_ns": Gone("5.13, renamed in 6.6", "/sys/kernel/debug/sched/base_slice_ns"),
    "kernel.sched_wakeup_granularity_ns": Gone(
        "5.13, and the idea with EEVDF in 6.6", "a shorter slice by sched_setattr"
    ),
    "kernel.sched_migration_cost_ns": Gone("5.13", "/sys/kernel/debug/sched/migration_cost_ns"),
    "kernel.sched_nr_migrate": Gone("5.13", "/sys/kernel/debug/sched/nr_migrate"),
    "kernel.sched_tunable_scaling": Gone("5.13", "/sys/kernel/debug/sched/tunable_scaling"),
    "net.ipv4.tcp_low_latency": Gone("4.14, where it lost its effect", "nothing: receiving has one path now"),
    "net.ipv4.tcp_tw_recycle": Gone("4.12", "net.ipv4.tcp_tw_reuse, for outgoing connections"),
    "vm.nr_pdflush_threads": Gone("2.6.32, and its last trace in 6.10", "nothing: each device has its own writer"),
}
"""Names that tuning guides still give → the kernel that dropped them, and what does their work.

Source: the kernel's own history (kernel/sched/debug.c, Documentation/networking/ip-sysctl.rst)."""


class Parameter(NamedTuple):
    name: str
    value: str
    why: str


def wanted(path: Path = WANTED) -> list[Parameter]:
    """The file's parameters; the comment above each says why. Raises `ValueError` for a line that is neither."""
    found, why = [], ""
    for line in path.read_text().splitlines():
        text = line.strip()
        if text.startswith("#"):
            why = f"{why} {text[1:].strip()}".strip()
        elif text:
            name, equals, value = text.partition("=")
            if not equals:
                raise ValueError(f"{path.name}: {line}")
            found.append(Parameter(name.strip(), " ".join(value.split()), why))
            why = ""
        else:
            why = ""
    return found


def findings(root: Path, parameters: list[Parameter] | None = None, old: Path | None = None) -> Iterator[Finding]:
    """Each wanted parameter as it is now, and each line of sysctl.conf that the kernel no longer has.

    `old`: the folder below `root` where an administrator's own files are, `etc/sysctl.d`."""
    for parameter in wanted() if parameters is None else parameters:
        yield _compare(root, parameter)
    folder = root / "etc/sysctl.d" if old is None else old
    files = [*sorted(folder.glob("*.conf")), root / "etc/sysctl.conf"]
    for path in files:
        yield from _lines_gone(root, path)


def _place(root: Path, name: str) -> Path:
    return root / "proc/sys" / name.replace(".", "/")


def _compare(root: Path, parameter: Parameter) -> Finding:
    try:
        now = " ".join(_place(root, parameter.name).read_text().split())
    except OSError:
        return unknown(parameter.name, "this kernel, or this container, has no such parameter")
    if _satisfied(now, parameter.value):
        return ok(parameter.name, now)
    return advice(parameter.name, now, parameter.why, f"sysctl -w {parameter.name}='{parameter.value}'")


def _satisfied(now: str, value: str) -> bool:
    """Sizes may be larger than asked for; what is small or a switch must be as asked."""
    have, want = now.split(), value.split()
    if len(have) != len(want):
        return False
    for left, right in zip(have, want, strict=True):
        if left.lstrip("-").isdigit() and right.lstrip("-").isdigit() and int(right) > 1000:
            if int(left) < int(right):
                return False
        elif left != right:
            return False
    return True


def _lines_gone(root: Path, path: Path) -> Iterator[Finding]:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        name = line.partition("=")[0].strip().lstrip("-").replace("/", ".")
        if name in GONE and not _place(root, name).exists():
            gone = GONE[name]
            yield advice(
                name,
                f"set in /{path.relative_to(root)}",
                f"the kernel has not had it since {gone.since}: the line does nothing",
                f"take the line out; in its place: {gone.instead}",
            )
