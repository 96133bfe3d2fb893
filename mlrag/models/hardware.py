"""The memory and the cores of this machine, as far as a model can use them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

_MIB = 2**20
_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup/memory.max")
_CPUS = Path("/sys/devices/system/cpu")
_SMI = ("--query-gpu=memory.total,memory.free", "--format=csv,noheader,nounits")


@dataclass(frozen=True, slots=True)
class Memory:
    """RAM and memory of NVIDIA GPUs in GB of 10^9 bytes. RAM is None where unknown; without a GPU, the vram is 0."""

    ram_total: float | None
    ram_free: float | None
    vram_total: float = 0.0
    vram_free: float = 0.0

    @property
    def kind(self) -> str:
        """The kind of memory with most free. A model split between both is slow and not considered."""
        return "GPU memory" if self.vram_free > self._ram else "RAM"

    @property
    def usable(self) -> float:
        """GB that a model can have now: all of the RAM where the free part is unknown, 0 where both are."""
        return max(self.vram_free, self._ram)

    @property
    def capacity(self) -> float:
        """GB that a model could have with nothing else running."""
        return max(self.vram_total, self.ram_total or 0.0)

    @property
    def _ram(self) -> float:
        return self.ram_free if self.ram_free is not None else self.ram_total or 0.0


def measure_memory() -> Memory:
    """Measure the memory of this machine now.

    The limit of a container (cgroup v2) counts; what other processes use inside it does not.
    """
    total, free = _read_meminfo() if _MEMINFO.exists() else (_read_posix_total(), None)
    limit = _CGROUP.read_text(encoding="ascii").strip() if _CGROUP.exists() else "max"
    if limit != "max":
        total, free = (gb and min(gb, int(limit) / 1e9) for gb in (total, free))
    return Memory(total, free, *parse_nvidia_smi(_run_nvidia_smi()))


def _read_meminfo() -> tuple[float | None, float | None]:
    """Total and available RAM in GB from Linux's /proc/meminfo, which counts in KiB."""
    text = _MEMINFO.read_text(encoding="ascii")
    kib = {key: int(value) for key, value in re.findall(r"^(\w+):\s+(\d+) kB$", text, re.MULTILINE)}
    total, free = kib.get("MemTotal"), kib.get("MemAvailable")
    return total and total * 1024 / 1e9, free and free * 1024 / 1e9


def _read_posix_total() -> float | None:
    """Total RAM in GB by POSIX sysconf; None on systems without it."""
    names = getattr(os, "sysconf_names", {})
    if "SC_PHYS_PAGES" not in names:
        return None
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9


def _run_nvidia_smi() -> str:
    """The output of the driver's tool; "" without it, or where it fails or hangs: no GPU can be used then."""
    tool = shutil.which("nvidia-smi")
    if not tool:
        return ""
    try:
        done = subprocess.run([tool, *_SMI], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def parse_nvidia_smi(output: str) -> tuple[float, float]:
    """Return total and free GB over all GPUs, since Ollama spreads a model. "[N/A]" lines (shared RAM) are skipped."""
    rows = re.findall(r"^(\d+), (\d+)$", output, re.MULTILINE)
    total, free = (sum(int(row[column]) for row in rows) for column in (0, 1))
    return total * _MIB / 1e9, free * _MIB / 1e9


def count_physical_cores() -> int:
    """Count the cores that this process may use, hyperthreads once; logical cores where the topology is unknown."""
    usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    siblings = [_CPUS / f"cpu{n}/topology/thread_siblings_list" for n in usable]
    if not all(path.exists() for path in siblings):
        return len(usable)
    return len({path.read_text(encoding="ascii") for path in siblings})
