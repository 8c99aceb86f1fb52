"""infra/tuning/tune.sh, on a made-up /proc and /sys; and where a process's memory lies."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from infra import placement
from infra.errors import OperatorError

SCRIPT = Path(__file__).parents[2] / "infra" / "tuning" / "tune.sh"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for path, value in {
        "proc/sys/vm/swappiness": "60",
        "proc/sys/net/core/somaxconn": "4096",
        "proc/sys/net/ipv4/tcp_rmem": "4096\t87380\t6291456",
        "sys/kernel/mm/transparent_hugepage/enabled": "[always] madvise never",
        "proc/irq/default_smp_affinity": "f",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave",
    }.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(value + "\n")
    for number in range(1, 4):
        (tmp_path / f"sys/devices/system/cpu/cpu{number}").mkdir()
    return tmp_path


def tune(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HFT_TUNING_ROOT": str(root), "HFT_TUNING_STATE": str(root / "kept")}
    return subprocess.run(
        ["bash", str(SCRIPT), *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def values(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): path.read_text().strip().replace("\t", " ")
        for path in root.rglob("*")
        if path.is_file() and path.name != "kept"
    }


def test_apply_and_revert_leave_everything_as_it_was(root: Path) -> None:
    before = values(root)
    first = tune(root, "apply", "--engine-cpu", "2")
    assert first.returncode == 0, first.stderr
    now = values(root)
    assert now["proc/sys/vm/swappiness"] == "1"
    assert now["proc/irq/default_smp_affinity"] == "b"
    assert now["sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"] == "performance"
    assert now["sys/kernel/mm/transparent_hugepage/enabled"] == "madvise"
    assert "left out: /proc/sys/net/core/busy_poll is not on this machine" in first.stdout
    # A second time keeps what was there before the first.
    assert tune(root, "apply").returncode == 0
    assert tune(root, "revert").returncode == 0
    # Of a real kernel's file the choice alone is written, and shown in brackets again.
    before["sys/kernel/mm/transparent_hugepage/enabled"] = "always"
    assert values(root) == before
    assert tune(root, "revert").stdout == "nothing to put back\n"


def test_show_changes_nothing(root: Path) -> None:
    before = values(root)
    shown = tune(root, "show")
    assert "/proc/sys/vm/swappiness: 60 → 1" in shown.stdout
    assert "somaxconn" not in shown.stdout
    assert values(root) == before


def test_a_processor_that_is_not_there(root: Path) -> None:
    result = tune(root, "apply", "--engine-cpu", "9")
    assert "there is no processor 9: there are 4" in result.stderr


def in_a_child(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    return done.stdout.strip() + done.stderr.strip()


def test_memory_is_locked_or_the_limit_is_named() -> None:
    unlimited = in_a_child(
        "from infra.placement import lock_memory\n"
        "lock_memory()\n"
        "print([l.split()[1] for l in open('/proc/self/status') if l.startswith('VmLck')][0])"
    )
    if unlimited.isdigit():
        assert int(unlimited) > 1000
    else:
        assert "HFT_LOCK_MEMORY" in unlimited
    if os.geteuid() == 0 and resource.getrlimit(resource.RLIMIT_MEMLOCK)[1] < 1 << 30:
        assert unlimited.isdigit(), "root may lock memory whatever the limit"


def test_locked_memory_lies_in_huge_pages_all_the_same() -> None:
    modes = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    if not modes.exists() or "[never]" in modes.read_text():
        pytest.skip("this kernel has no transparent huge pages")
    told = in_a_child(
        "import os, re; os.environ['NUMPY_MADVISE_HUGEPAGE'] = '1'\n"
        "from infra.placement import lock_memory\n"
        "lock_memory()\n"
        "import numpy as np\n"
        "pool = np.zeros(64 << 20, np.uint8); pool[::4096] = 1\n"
        "print(sum(map(int, re.findall(r'AnonHugePages: +([0-9]+)', open('/proc/self/smaps').read()))))"
    )
    if "HFT_LOCK_MEMORY" in told:
        pytest.skip(told)
    assert int(told) > 32 << 10, "of 64 MiB, in kB"


def test_memory_comes_from_the_node_that_is_asked_for() -> None:
    nodes = sorted(placement.NODES.glob("node[0-9]*"))
    if not nodes:
        pytest.skip("this kernel was built without NUMA")
    number = nodes[0].name[4:]
    said = in_a_child(
        "import re\n"
        "from infra.placement import bind_to_node\n"
        f"bind_to_node({number})\n"
        "print('bind' in open('/proc/self/numa_maps').read())"
    )
    assert said == "True"


def test_a_node_that_is_not_there() -> None:
    with pytest.raises(OperatorError, match="HFT_ENGINE_NUMA_NODE=63: the nodes here are"):
        placement.bind_to_node(63)
