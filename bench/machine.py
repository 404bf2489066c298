"""The machine under the bench, read from `/proc`: who spent a core's time, how much memory a process holds, what it is.

Linux alone: elsewhere nothing here can say whether a figure counts.
"""

import os
import platform
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class CoreTimes:
    """Seconds since boot that one core spent, by the kernel's count."""

    busy: float  # user, nice, system, irq and softirq
    idle: float  # iowait included
    steal: float  # the hypervisor ran somebody else

    def since(self, earlier: "CoreTimes") -> "CoreTimes":
        return CoreTimes(self.busy - earlier.busy, self.idle - earlier.idle, self.steal - earlier.steal)


def core_times(core: int) -> CoreTimes:
    """What `/proc/stat` says of one core (proc(5): guest time is part of user time)."""
    prefix = f"cpu{core} "
    for line in (_PROC / "stat").read_text().splitlines():
        if line.startswith(prefix):
            user, nice, system, idle, iowait, irq, softirq, steal = (int(field) / TICKS for field in line.split()[1:9])
            return CoreTimes(user + nice + system + irq + softirq, idle + iowait, steal)
    raise LookupError(f"/proc/stat has no core {core}")


def tree(root: int) -> list[int]:
    """A process and all its living descendants."""
    found = [root]
    for pid in found:
        for thread in (_PROC / str(pid) / "task").glob("*"):
            try:
                found += [int(child) for child in (thread / "children").read_text().split()]
            except OSError:  # it ended while we looked
                continue
    return found


def cpu_seconds(roots: list[int]) -> float:
    """CPU time of the processes and their descendants, ended ones included where they were waited for.

    From `sum_exec_runtime` (schedstat, nanoseconds) for the living threads would miss ended threads; `/proc/<pid>/stat`
    misses nothing and is good to a clock tick, which over seconds is well below the noise.
    """
    return sum(_cpu_seconds(pid) for root in roots for pid in tree(root))


def _cpu_seconds(pid: int) -> float:
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(field) for field in fields[11:15]) / TICKS  # utime stime cutime cstime


def resident_bytes(root: int) -> int:
    """Resident memory of the biggest process of a tree: of nginx its worker, not the sum over shared pages."""
    return max((_resident_bytes(pid) for pid in tree(root)), default=0)


def _resident_bytes(pid: int) -> int:
    try:
        for line in (_PROC / str(pid) / "status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def pin(pid: int, core: int) -> None:
    """Put a process, its descendants and all their threads on one core; what they start later inherits it."""
    for member in tree(pid):
        for thread in (_PROC / str(member) / "task").glob("*"):
            try:
                os.sched_setaffinity(int(thread.name), {core})
            except ProcessLookupError:
                continue


def renice(pid: int, nice: int) -> None:
    """Let a process and its descendants stand back; each Linux thread has its own nice value."""
    for member in tree(pid):
        for thread in (_PROC / str(member) / "task").glob("*"):
            try:
                os.setpriority(os.PRIO_PROCESS, int(thread.name), nice)
            except (ProcessLookupError, PermissionError):
                continue


def describe() -> dict[str, str]:
    """What a reader needs to compare two results: CPU, cores, kernel, Python."""
    model = "unknown"
    for line in (_PROC / "cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory = next(line for line in (_PROC / "meminfo").read_text().splitlines() if line.startswith("MemTotal:"))
    return {
        "cpu": model,
        "cores": str(os.cpu_count()),
        "memory_mib": str(int(memory.split()[1]) // 1024),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }
