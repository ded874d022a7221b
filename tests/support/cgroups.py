"""Groups of processes whose memory the kernel limits (cgroups, the old and the new kind), where we may make any."""

import contextlib
import subprocess
import uuid
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

_PLACES = (Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup"))
# The old kind's, then the new kind's; the second of each counts what is swapped, and only where the kernel does.
_LIMITS = (("memory.limit_in_bytes", None), ("memory.memsw.limit_in_bytes", None), ("memory.max", None))
_LIMITS += (("memory.swap.max", 0),)


class MemoryGroup(NamedTuple):
    """One group: a folder of the kernel's."""

    folder: Path

    def take(self, pid: int) -> None:
        """Put a process into it; what it takes from now on is counted."""
        (self.folder / "cgroup.procs").write_text(str(pid))

    def limit(self, size: int) -> None:
        """Whoever takes more than so many bytes is killed; nothing is swapped."""
        for name, most in _LIMITS:
            if (self.folder / name).exists():
                (self.folder / name).write_text(str(size if most is None else most))

    @property
    def kills(self) -> int:
        """How many the kernel has killed here for want of memory."""
        old = self.folder / "memory.oom_control"
        told = (old if old.exists() else self.folder / "memory.events").read_text().splitlines()
        return int(dict(line.split() for line in told)["oom_kill"])


@contextlib.contextmanager
def memory_group() -> Iterator[MemoryGroup]:
    """Make an empty group, and remove it once nobody is in it. Raises OSError where none can be made."""
    for place in _PLACES:
        folder = place / f"podhealth-test-{uuid.uuid4().hex[:8]}"
        with contextlib.suppress(OSError):
            folder.mkdir()
            if (folder / "memory.limit_in_bytes").exists() or (folder / "memory.max").exists():
                break
            folder.rmdir()
    else:
        raise OSError("no group of processes with a limit of memory can be made here")
    try:
        yield MemoryGroup(folder)
    finally:
        folder.rmdir()


@cache
def can_limit_memory() -> bool:
    """Whether such a group can be made, a process be put into it, and its kills be read."""
    try:
        with memory_group() as group, subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
            group.take(child.pid)
            group.limit(1 << 30)
            return group.kills == 0
    except (OSError, KeyError, ValueError):
        return False
