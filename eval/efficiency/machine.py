"""What this machine tells while a model works: memory bandwidth, the peak of this process, energy."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Thread

import numpy as np

from mlrag.models.hardware import physical_cores

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_POWERCAP = Path("/sys/class/powercap")
_SMI = ("--query-gpu=power.draw", "--format=csv,noheader,nounits")
_SAMPLE_SECONDS = 0.5


def bandwidth(megabytes: int = 256, repeats: int = 5) -> float:
    """GB of 10^9 bytes a second that all cores together copy: bytes read plus bytes written (STREAM's way of counting),
    the best of `repeats`. What a model's weights can be read at on a CPU is near it."""
    cores = physical_cores()
    parts = [
        (np.ones(megabytes * 2**20 // cores // 8), np.empty(megabytes * 2**20 // cores // 8)) for _ in range(cores)
    ]
    moved = sum(2 * source.nbytes for source, _ in parts)
    with ThreadPoolExecutor(cores) as pool:
        return max(moved / _copy(pool, parts) for _ in range(repeats)) / 1e9


def _copy(pool: ThreadPoolExecutor, parts: list[tuple[np.ndarray, np.ndarray]]) -> float:
    begun = time.perf_counter()
    list(pool.map(lambda pair: np.copyto(pair[1], pair[0]), parts))
    return time.perf_counter() - begun


def forget_peak() -> None:
    """Let `peak_gb` count from now on, where the system can."""
    try:
        _CLEAR.write_text("5", encoding="ascii")
    except OSError:
        return


def peak_gb() -> float | None:
    """The most memory that this process had in RAM, GB of 10^9 bytes; None on systems that do not tell."""
    if not _STATUS.exists():
        return None
    lines = dict(line.split(":", 1) for line in _STATUS.read_text(encoding="ascii").splitlines())
    return int(lines["VmHWM"].split()[0]) * 1024 / 1e9 if "VmHWM" in lines else None


def package_joules(root: Path = _POWERCAP) -> float | None:
    """What the counters of the processor's packages show (RAPL), joules; None where none can be read."""
    found = [p / "energy_uj" for p in root.glob("*:*") if p.name.count(":") == 1]
    try:
        counted = [int(p.read_text(encoding="ascii")) for p in found]
    except (OSError, ValueError):
        return None
    return sum(counted) / 1e6 if counted else None


def gpu_watts() -> float | None:
    """The power that NVIDIA GPUs draw now, all together; None without one that says."""
    tool = shutil.which("nvidia-smi")
    if not tool:
        return None
    try:
        done = subprocess.run([tool, *_SMI], capture_output=True, text=True, timeout=10, check=True)
        return sum(float(line) for line in done.stdout.split())
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


class Meter:
    """Joules between entering and leaving: the packages' counters, and GPU power sampled every half second.

    `joules` is None where neither can be read, or where a counter began anew. Idle draw is in it, and what else runs.
    """

    def __init__(
        self, joules: Callable[[], float | None] = package_joules, watts: Callable[[], float | None] = gpu_watts
    ) -> None:
        self.joules: float | None = None
        self._count, self._watts = joules, watts
        self._samples: list[float] = []
        self._done = Event()

    def __enter__(self) -> Meter:
        self._begun, self._before = time.monotonic(), self._count()
        self._thread = Thread(target=self._sample, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        after, seconds = self._count(), time.monotonic() - self._begun
        packages = after - self._before if after is not None and self._before is not None else None
        if packages is not None and packages < 0:
            return
        gpu = seconds * sum(self._samples) / len(self._samples) if self._samples else None
        known = [j for j in (packages, gpu) if j is not None]
        self.joules = sum(known) if known else None

    def _sample(self) -> None:
        while True:
            watts = self._watts()
            if watts is None:
                return
            self._samples.append(watts)
            if self._done.wait(_SAMPLE_SECONDS):
                return
