"""The first instructions of a process of ours: die with the parent, enter the control group, become the program.

Started by `launch.py` as `python -m serinus_operator.local.child <parent pid> <file or -> <program> <arguments>`. The
program is a Python module, or an executable's path. Imports nothing heavy: it runs in front of every start.
"""

import ctypes
import os
import runpy
import signal
import sys
import threading
import time

PR_SET_PDEATHSIG = 1
POLL_SECONDS = 0.2


def die_with(parent: int) -> None:
    """Be killed when `parent` ends, also by SIGKILL; at once where it has ended already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def _watch(parent: int) -> None:
    """Where the kernel has no such signal: look."""
    while os.getppid() == parent:
        time.sleep(POLL_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """See the top."""
    parent, group, program, *arguments = sys.argv[1:]
    die_with(int(parent))
    if group != "-":
        with open(group, "w") as members:
            members.write("0")
    if os.path.isabs(program):
        os.execv(program, [program, *arguments])  # noqa: S606  # the kernel's signal outlives this
    sys.argv = [program, *arguments]
    runpy.run_module(program, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
