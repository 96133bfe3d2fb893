"""How a cost is taken: CPU seconds, ours and the peers' by turns, the best of several rounds beside the worst."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

Clock = Callable[[], float]
MILLION = 1_000_000
GOALS = {"<=": lambda value, bound: value <= bound, ">=": lambda value, bound: value >= bound}


@dataclass(frozen=True, slots=True)
class Timed:
    """One cost over its rounds. `spread`: the worst as a multiple of the best."""

    values: tuple[float, ...]

    @property
    def best(self) -> float:
        return min(self.values)

    @property
    def spread(self) -> float:
        return max(self.values) / self.best if self.best else 1.0


@dataclass(frozen=True, slots=True)
class Goal:
    """`of`: which column is held against the bound."""

    of: Literal["ours", "ratio"]
    sign: Literal["<=", ">="]
    bound: float

    def __str__(self) -> str:
        return f"{'×' if self.of == 'ratio' else ''} {self.sign} {self.bound:g}".strip()


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table. `peer` and `limit` are in the unit of `ours`; `ratio` is ours / peer, or what `what` says.

    `load`: the machine's load average beside it. A peer that could not be measured has `note` and no number.
    """

    part: str
    what: str
    unit: str
    ours: float | None
    n: int
    spread: float = 1.0
    peer: float | None = None
    peer_name: str = ""
    limit: float | None = None
    limit_name: str = ""
    ratio: float | None = None
    goal: Goal | None = None
    note: str = ""
    load: float = field(default_factory=lambda: os.getloadavg()[0])

    @property
    def met(self) -> bool | None:
        """None without a goal, or without the number that it is about."""
        value = self.goal and getattr(self, self.goal.of)
        return None if self.goal is None or value is None else GOALS[self.goal.sign](value, self.goal.bound)

    def wire(self) -> dict[str, Any]:
        return asdict(self) | {"goal": str(self.goal or ""), "met": self.met}


@dataclass(frozen=True, slots=True)
class Growth:
    """A cost (up) as something grows (across), a series a name."""

    name: str
    title: str
    across: str
    up: str
    series: Mapping[str, Sequence[tuple[float, float]]]


@dataclass(frozen=True, slots=True)
class Found:
    """What a part gives."""

    rows: Sequence[Row]
    growth: Growth | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured. `work`: the folder that corpora, JSON and drawings go to."""

    work: Path
    quick: bool = False
    full: bool = False

    @property
    def passages(self) -> int:
        return 2_000 if self.quick else 100_000

    @property
    def rounds(self) -> int:
        return 1 if self.quick else 3

    @property
    def sizes(self) -> list[int]:
        return [500, 2_000] if self.quick else [1_000, 10_000, 100_000]

    @property
    def searched(self) -> list[int]:
        """Sizes of the corpora that searches and answers grow along."""
        return [*self.sizes, MILLION] if self.full else self.sizes


def took(work: Callable[[], object], units: int = 1, clock: Clock = time.process_time) -> float:
    """Seconds a unit."""
    begun = clock()
    work()
    return (clock() - begun) / units


def by_turns(works: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, Timed]:
    """Each work gives its own cost; one round asks them all once, so that they share what the machine does."""
    found: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            found[name].append(work())
    return {name: Timed(tuple(values)) for name, values in found.items()}


def each(work: Callable[[Any], object], items: Sequence[Any]) -> list[float]:
    """CPU seconds of this thread, one by one."""
    found = []
    for item in items:
        begun = time.thread_time()
        work(item)
        found.append(time.thread_time() - begun)
    return found


def percentile(values: Sequence[float], share: float) -> float:
    return float(np.quantile(values, share))


def middle(values: Sequence[float]) -> float:
    return statistics.median(values)


def read_speed(megabytes: int = 600) -> float:
    """Bytes a second that one core reads from memory (a dot product), the best of five."""
    block = np.ones(megabytes * 2**20 // 4, np.float32)
    return block.nbytes / min(took(lambda: block @ block, clock=time.thread_time) for _ in range(5))


def rss_bytes(pid: int | str = "self") -> int:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmRSS")).split()[1])
