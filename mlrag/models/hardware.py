"""What this machine has for a model: RAM, the memory of NVIDIA GPUs, cores."""

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
    """In GB of 10^9 bytes. A None cannot be told on this system; without an NVIDIA GPU, the vram is 0."""

    ram_total: float | None
    ram_free: float | None
    vram_total: float = 0.0
    vram_free: float = 0.0

    @property
    def place(self) -> str:
        """Where a model finds the most room. Splitting one between both is left out: it is slow."""
        return "GPU memory" if self.vram_free > self._ram else "RAM"

    @property
    def usable(self) -> float:
        """Free at `place` right now; all of the RAM where what is free cannot be told; 0 where nothing can."""
        return max(self.vram_free, self._ram)

    @property
    def most(self) -> float:
        """What `usable` would be with nothing else running."""
        return max(self.vram_total, self.ram_total or 0.0)

    @property
    def _ram(self) -> float:
        return self.ram_free if self.ram_free is not None else self.ram_total or 0.0


def probe() -> Memory:
    """This machine, now. A container's limit (cgroup v2) counts, what others use inside it does not."""
    ram = _meminfo(_MEMINFO.read_text(encoding="ascii")) if _MEMINFO.exists() else (_pages(), None)
    limit = _CGROUP.read_text(encoding="ascii").strip() if _CGROUP.exists() else "max"
    total, free = (_capped(value, limit) for value in ram)
    return Memory(total, free, *nvidia_memory(_nvidia_smi()))


def _meminfo(text: str) -> tuple[float | None, float | None]:
    """Total and available RAM of Linux's /proc/meminfo, which counts in KiB."""
    kib = {key: int(value) for key, value in re.findall(r"^(\w+):\s+(\d+) kB$", text, re.MULTILINE)}
    total, free = kib.get("MemTotal"), kib.get("MemAvailable")
    return total and total * 1024 / 1e9, free and free * 1024 / 1e9


def _pages() -> float | None:
    """Total RAM by POSIX; None on systems without it."""
    names = getattr(os, "sysconf_names", {})
    if "SC_PHYS_PAGES" not in names:
        return None
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9


def _capped(value: float | None, limit: str) -> float | None:
    return value if value is None or limit == "max" else min(value, int(limit) / 1e9)


def _nvidia_smi() -> str:
    """What the driver's own tool prints; nothing without it, or where it fails or hangs: then no GPU can be used."""
    tool = shutil.which("nvidia-smi")
    if not tool:
        return ""
    try:
        done = subprocess.run([tool, *_SMI], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def nvidia_memory(printed: str) -> tuple[float, float]:
    """Total and free GB over all GPUs (Ollama spreads a model over them); "[N/A]" lines are shared RAM and left out."""
    rows = re.findall(r"^(\d+), (\d+)$", printed, re.MULTILINE)
    return sum(int(t) for t, _ in rows) * _MIB / 1e9, sum(int(f) for _, f in rows) * _MIB / 1e9


def physical_cores() -> int:
    """Cores that this process may use, hyperthreads counted once; logical ones where none can be told."""
    usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    siblings = [_CPUS / f"cpu{n}/topology/thread_siblings_list" for n in usable]
    if not all(path.exists() for path in siblings):
        return len(usable)
    return len({path.read_text(encoding="ascii") for path in siblings})
