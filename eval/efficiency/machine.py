"""What this machine reports while a model works (bandwidth, peak memory, energy), and the speed that follows."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Thread

import numpy as np

from mlrag.models.hardware import count_physical_cores
from mlrag.models.memory_fit import kv_bytes
from mlrag.models.variants import Variant

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_POWERCAP = Path("/sys/class/powercap")
_SMI = ("--query-gpu=power.draw", "--format=csv,noheader,nounits")
_SAMPLE_SECONDS = 0.5


def measure_bandwidth(megabytes: int = 256, repeats: int = 5) -> float:
    """Return GB (10^9 bytes) a second that all cores together copy, the best of `repeats`.

    Bytes read plus bytes written, as STREAM counts them. A CPU reads a model's weights at nearly this speed.
    """
    cores = count_physical_cores()
    size = megabytes * 2**20 // cores // 8
    parts = [(np.ones(size), np.empty(size)) for _ in range(cores)]
    seconds = []
    with ThreadPoolExecutor(cores) as pool:
        for _ in range(repeats):
            begun = time.perf_counter()
            list(pool.map(lambda pair: np.copyto(pair[1], pair[0]), parts))
            seconds.append(time.perf_counter() - begun)
    return 2 * 8 * size * cores / min(seconds) / 1e9


def bytes_per_token(variant: Variant, context: int) -> float | None:
    """Return what is read for one token: the active weights, and keys and values of the context; None if unknown.

    Weights: the file of `llamacpp:`; else Ollama's default file of the family member. Of a mixture, and of the variants
    with per-layer embeddings, only the active share (active / published parameters).
    """
    spec = variant.spec
    if variant.backend == "llamacpp":
        path = Path(variant.model).expanduser()
        if not path.is_file():
            return None
        weights = float(path.stat().st_size)
    elif spec and variant.backend == "ollama":
        weights = spec.memory["q4_k_m"] * 1e9
    else:
        return None
    if not spec:
        return weights
    active = (spec.parameters.active or spec.parameters.published) / spec.parameters.published
    return weights * active + kv_bytes(spec, context)


def predict_tokens_per_second(variant: Variant, context: int, gb_per_second: float) -> float | None:
    """Return an upper bound for one stream, because generation waits for memory; None if unknown.

    Reading a prompt waits for arithmetic instead, and is not predicted.
    """
    needed = bytes_per_token(variant, context)
    return gb_per_second * 1e9 / needed if needed else None


def reset_peak() -> None:
    """Make `read_peak_gb` count from now on, where the system can."""
    try:
        _CLEAR.write_text("5", encoding="ascii")
    except OSError:
        return


def read_peak_gb() -> float | None:
    """Return the most memory that this process had in RAM, GB (10^9 bytes); None on systems that do not report it."""
    if not _STATUS.exists():
        return None
    lines = dict(line.split(":", 1) for line in _STATUS.read_text(encoding="ascii").splitlines())
    return int(lines["VmHWM"].split()[0]) * 1024 / 1e9 if "VmHWM" in lines else None


def read_package_joules(root: Path = _POWERCAP) -> float | None:
    """Return the energy counters of the processor's packages (RAPL), joules; None where none can be read."""
    # "intel-rapl:0" is a package, "intel-rapl:0:0" a part of it that is counted already.
    counters = [p / "energy_uj" for p in root.glob("*:*") if p.name.count(":") == 1]
    try:
        microjoules = [int(p.read_text(encoding="ascii")) for p in counters]
    except (OSError, ValueError):
        return None
    return sum(microjoules) / 1e6 if microjoules else None


def read_gpu_watts() -> float | None:
    """Return the watts that all NVIDIA GPUs draw now; None without one that reports it."""
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

    `joules` is None where neither can be read, or where a counter wrapped around. Idle draw is included, and what else
    runs.
    """

    def __init__(
        self,
        joules: Callable[[], float | None] = read_package_joules,
        watts: Callable[[], float | None] = read_gpu_watts,
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
