"""Starts a program on a leash: it dies with the process that started it, and can run as another user.

Run as a script by `infra.process`, with nothing but the standard library:

    python -I -S leash.py PARENT_PID USER REACH PROGRAM [ARGUMENT…]

USER is `-` or `uid:gid`. REACH `reach` lets that user pass through folders that it may not read, which Postgres needs
where root keeps the data under a private home. A wrapper rather than a `preexec_fn`, which is unsafe beside threads.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAPABILITY_VERSION_3 = 0x20080522
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2
"""Of the two ways through a private folder the weaker is taken, where this root has it (in a container it may not)."""

libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def _permitted() -> int:
    with open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("CapPrm:"):
                return int(line.split()[1], 16)
    return 0


def _keep_reach(permitted: int) -> None:
    """After the change of user: one capability stays, and is handed on through exec."""
    capability = CAP_DAC_READ_SEARCH if permitted >> CAP_DAC_READ_SEARCH & 1 else CAP_DAC_OVERRIDE
    mask = 1 << capability
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)
    _check(libc.capset(ctypes.byref(header), ctypes.byref(data)), "capset")
    _check(libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0), "prctl")


def main(parent: int, user: str, reach: bool, command: list[str]) -> None:
    if user != "-":
        uid, gid = (int(part) for part in user.split(":"))
        # From setuid on Python itself may be out of reach: nothing is read or imported after it.
        permitted = _permitted()
        if reach:
            _check(libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0), "prctl")
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
        if reach:
            _keep_reach(permitted)
    # Only now: the kernel forgets the death signal whenever the user changes.
    _check(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")
    if os.getppid() != parent:
        os._exit(1)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3] == "reach", sys.argv[4:])
