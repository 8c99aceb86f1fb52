"""Where a process and its memory lie: the NUMA node it takes memory from, and memory that is never paged out.

Which processor it runs on is set by the engine itself, once its other threads are there and can stay free."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
from pathlib import Path
from typing import Final

from infra.errors import OperatorError

SET_MEMPOLICY: Final = {"x86_64": 238, "aarch64": 237}
"""Numbers of the system call set_mempolicy(2)."""
MPOL_BIND: Final = 2
MCL_CURRENT: Final = 1
MCL_FUTURE: Final = 2
MCL_ONFAULT: Final = 4
"""Pages are locked as they are touched. Otherwise an array is filled with small pages as soon as it is made, before
NumPy can ask for huge ones."""
NODES: Final = Path("/sys/devices/system/node")


def bind_to_node(node: int) -> None:
    """Memory that this process touches from now on comes from the NUMA node `node`. Raises `OperatorError`."""
    setting = f"HFT_ENGINE_NUMA_NODE={node}"
    there = sorted(int(path.name[4:]) for path in NODES.glob("node[0-9]*"))
    if node not in there:
        raise OperatorError(f"{setting}: the nodes here are {', '.join(map(str, there)) or 'none'}")
    number = SET_MEMPOLICY.get(platform.machine())
    if number is None:
        raise OperatorError(f"{setting}: not known how on {platform.machine()}; NUMAPolicy= of systemd does it")
    libc = ctypes.CDLL(None, use_errno=True)
    mask = ctypes.c_ulong(1 << node)
    if libc.syscall(number, MPOL_BIND, ctypes.byref(mask), ctypes.c_ulong(8 * ctypes.sizeof(mask))) != 0:
        raise OperatorError(f"{setting}: the kernel refuses it: {os.strerror(ctypes.get_errno())}")


def lock_memory() -> None:
    """No page of this process is put on disk, from now on. Raises `OperatorError` where the limit forbids it."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0:
        return
    why = ctypes.get_errno()
    hint = ": ulimit -l unlimited, or LimitMEMLOCK=infinity in its unit" if why in (errno.ENOMEM, errno.EPERM) else ""
    raise OperatorError(f"HFT_LOCK_MEMORY: the kernel refuses it: {os.strerror(why)}{hint}")
