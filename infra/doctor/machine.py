"""Checks of processor, memory and kernel: they read /proc and /sys below a root that a test can replace."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from infra.doctor.finding import Finding, advice, ok, problem, unknown

FILES_MIN: Final = 65_536
"""Kafka's segments and the gateway's clients are open files."""
CAP_IPC_LOCK: Final = 14
GOOD_CLOCKS: Final = ("tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page")
"""Read without a system call."""


class Machine:
    """`engine_cpu`: the processor that the engine is pinned to, None where it is pinned to none."""

    def __init__(self, root: Path, engine_cpu: int | None, max_orders_memory: int) -> None:
        self._root = root
        self._engine_cpu = engine_cpu
        self._memory = max_orders_memory

    def findings(self) -> Iterator[Finding]:
        yield self._governor()
        yield self._isolation()
        yield self._interrupts()
        yield self._numa()
        yield self._huge_pages()
        yield self._memory_size()
        yield self._swap()
        yield self._clock_source()
        yield self._open_files()
        yield self._locked_memory()

    def _read(self, path: str) -> str | None:
        """The text of a file below the root without its end of line; None where there is none."""
        try:
            return (self._root / path).read_text().strip()
        except OSError:
            return None

    def _governor(self) -> Finding:
        name = "processor governor"
        cpus = sorted((self._root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_governor"))
        governors = {path.read_text().strip() for path in cpus}
        if not governors:
            return unknown(name, "the kernel offers no frequency scaling here, as on most virtual machines")
        if governors == {"performance"}:
            return ok(name, "performance")
        return advice(
            name,
            ", ".join(sorted(governors)),
            "a processor that saves power wakes up and speeds up late: tens of microseconds on the first order",
            "cpupower frequency-set -g performance",
        )

    def _isolation(self) -> Finding:
        name = "processor isolation"
        isolated = numbers(self._read("sys/devices/system/cpu/isolated") or "")
        if self._engine_cpu is None:
            if isolated:
                return advice(
                    name,
                    f"{sorted(isolated)} isolated, the engine pinned to none",
                    "nothing runs on an isolated processor unless it is put there",
                    f"HFT_ENGINE_CPU={min(isolated)}",
                )
            return advice(
                name,
                "the engine is pinned to no processor",
                "the scheduler moves it, and each move costs its caches",
                "HFT_ENGINE_CPU=N, and isolcpus=N nohz_full=N rcu_nocbs=N on the kernel's command line",
            )
        if self._engine_cpu in isolated:
            return ok(name, f"processor {self._engine_cpu} is isolated and the engine's")
        return advice(
            name,
            f"the engine has processor {self._engine_cpu}, which others may use too",
            "another process there delays the engine by a time slice",
            f"isolcpus={self._engine_cpu} nohz_full={self._engine_cpu} rcu_nocbs={self._engine_cpu} on the kernel's "
            "command line",
        )

    def _interrupts(self) -> Finding:
        name = "interrupts"
        if self._engine_cpu is None:
            return unknown(name, "the engine is pinned to no processor that interrupts could be kept off")
        mask = self._read("proc/irq/default_smp_affinity")
        if mask is None:
            return unknown(name, "/proc/irq/default_smp_affinity cannot be read")
        allowed = int(mask.replace(",", ""), 16)
        if not allowed >> self._engine_cpu & 1:
            return ok(name, f"kept off processor {self._engine_cpu}")
        return advice(
            name,
            f"may run on the engine's processor {self._engine_cpu}",
            "an interrupt of the disk or the network stops the engine for microseconds",
            f"infra/tuning/tune.sh apply --engine-cpu {self._engine_cpu}",
        )

    def _numa(self) -> Finding:
        name = "NUMA"
        nodes = sorted((self._root / "sys/devices/system/node").glob("node[0-9]*"))
        if not nodes:
            return unknown(name, "the kernel was built without NUMA")
        if len(nodes) == 1:
            return ok(name, "one node")
        if self._engine_cpu is None:
            return advice(
                name,
                f"{len(nodes)} nodes, the engine pinned to none",
                "its books may lie in the other node's memory: half as fast again to read",
                "HFT_ENGINE_CPU=N, or NUMAPolicy=bind in its systemd unit",
            )
        for node in nodes:
            if self._engine_cpu in numbers((node / "cpulist").read_text().strip()):
                return ok(name, f"the engine's processor is in {node.name}; memory is taken where it is first touched")
        return problem(
            name, f"no node has processor {self._engine_cpu}", "the engine cannot start there", "HFT_ENGINE_CPU=N"
        )

    def _huge_pages(self) -> Finding:
        name = "transparent huge pages"
        modes = self._read("sys/kernel/mm/transparent_hugepage/enabled")
        if modes is None:
            return unknown(name, "the kernel was built without them")
        mode = modes.partition("[")[2].partition("]")[0]
        if mode == "madvise":
            return ok(name, "madvise: for those who ask")
        if mode == "always":
            return advice(
                name,
                "always",
                "Redis and Postgres stall while the kernel puts huge pages together",
                "infra/tuning/tune.sh apply",
            )
        return advice(
            name, mode, "the book cannot lie in huge pages: more address translations", "infra/tuning/tune.sh apply"
        )

    def _meminfo(self) -> dict[str, int]:
        """/proc/meminfo in bytes."""
        found = {}
        for line in (self._read("proc/meminfo") or "").splitlines():
            name, _, rest = line.partition(":")
            words = rest.split()
            if words and words[0].isdigit():
                found[name] = int(words[0]) * (1024 if words[1:] == ["kB"] else 1)
        return found

    def _memory_size(self) -> Finding:
        name = "memory"
        available = self._meminfo().get("MemAvailable")
        if available is None:
            return unknown(name, "/proc/meminfo cannot be read")
        # The engine, the publisher, and a snapshot's copy of the pages that change meanwhile.
        need = 3 * self._memory
        found = f"{available / 1e9:.1f} GB available, engine and publisher take up to {need / 1e9:.1f} GB"
        if available >= need:
            return ok(name, found)
        return problem(
            name,
            found,
            "the kernel ends the process that takes the most when memory runs out",
            "HFT_MAX_ORDERS to a smaller number",
        )

    def _swap(self) -> Finding:
        name = "swap"
        total = self._meminfo().get("SwapTotal", 0)
        if total == 0:
            return ok(name, "none")
        swappiness = self._read("proc/sys/vm/swappiness") or "?"
        if swappiness.isdigit() and int(swappiness) <= 1:
            return ok(name, f"{total / 1e9:.1f} GB, swappiness {swappiness}")
        return advice(
            name,
            f"{total / 1e9:.1f} GB, swappiness {swappiness}",
            "a page of the book that was put on disk costs milliseconds",
            "infra/tuning/tune.sh apply, or swapoff -a",
        )

    def _clock_source(self) -> Finding:
        name = "clock source"
        current = self._read("sys/devices/system/clocksource/clocksource0/current_clocksource")
        if current is None:
            return unknown(name, "the kernel does not say")
        if current in GOOD_CLOCKS:
            return ok(name, current)
        there = self._read("sys/devices/system/clocksource/clocksource0/available_clocksource") or ""
        better = next((clock for clock in GOOD_CLOCKS if clock in there.split()), None)
        return advice(
            name,
            current,
            "each reading of the time is a system call of a microsecond, and the engine reads it for each batch",
            f"echo {better} > /sys/devices/system/clocksource/clocksource0/current_clocksource"
            if better
            else "clocksource=tsc tsc=reliable on the kernel's command line, where the processor's counter is steady",
        )

    def _open_files(self) -> Finding:
        name = "open files"
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft >= FILES_MIN or soft == resource.RLIM_INFINITY:
            return ok(name, f"{soft:,}")
        unit = f"LimitNOFILE={FILES_MIN} in the systemd unit"
        enough = hard >= FILES_MIN or hard == resource.RLIM_INFINITY
        return advice(
            name,
            f"{soft:,} (at most {hard:,})",
            "each client, and each segment of Kafka's, is an open file",
            f"ulimit -n {FILES_MIN}, or {unit}" if enough else f"{unit}, or nofile in /etc/security/limits.conf",
        )

    def _locked_memory(self) -> Finding:
        name = "locked memory"
        if self._capable(CAP_IPC_LOCK):
            return ok(name, "no limit for this user, who has CAP_IPC_LOCK")
        soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
        if soft == resource.RLIM_INFINITY or soft >= self._memory:
            return ok(name, "unlimited" if soft == resource.RLIM_INFINITY else f"{soft / 1e6:,.0f} MB")
        return advice(
            name,
            f"{soft / 1e6:,.1f} MB",
            "the engine cannot keep its memory from being paged out (HFT_LOCK_MEMORY)",
            "ulimit -l unlimited, or LimitMEMLOCK=infinity in the systemd unit",
        )

    def _capable(self, capability: int) -> bool:
        """Whether this process has it, as capabilities(7) numbers them."""
        lines = (self._read("proc/self/status") or "").splitlines()
        masks = [int(line.split()[1], 16) for line in lines if line.startswith("CapEff:")]
        return any(mask >> capability & 1 for mask in masks)


def numbers(text: str) -> set[int]:
    """The kernel's lists: `0-3,8` is {0, 1, 2, 3, 8}."""
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found
