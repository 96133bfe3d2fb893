"""What a run asks, stored next to its rows: with it they can be scored again without corpus, index or model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import mlrag
from eval.types import Example
from mlrag.atomic_write import atomic_write
from mlrag.errors import CorpusFormatError

SEED = 0  # of the models' sampling and of every resampling
_FILE = "plan.json"
_CLOSED = " (closed book)"


def is_closed_book(variant: str) -> bool:
    return variant.endswith(_CLOSED)


def closed_book_name(variant: str) -> str:
    """Name the row of a variant that is asked without passages: "e4b (closed book)"."""
    return variant + _CLOSED


def base_variant(variant: str) -> str:
    """ "e4b (closed book)" -> "e4b"."""
    return variant.removesuffix(_CLOSED)


@dataclass(frozen=True, slots=True)
class RunPlan:
    """All that a metric depends on but the variant, and the examples by language, in the order of the report."""

    signature: Mapping[str, Any]
    examples: Mapping[str, Sequence[Example]]

    @property
    def name(self) -> str:
        """The run's name: ten hexadecimal digits of the signature's SHA-256."""
        return hashlib.sha256(json.dumps(self.signature, sort_keys=True).encode()).hexdigest()[:10]

    def examples_for(self, variant: str) -> Mapping[str, Sequence[Example]]:
        """Return what a variant is asked, by language.

        A closed book is asked only what has an answer: whether passages hold it is no question there.
        """
        if not is_closed_book(variant):
            return self.examples
        return {lang: [replace(e, gold_docs=()) for e in es if e.answers] for lang, es in self.examples.items()}


def hash_package_files(patterns: Sequence[str]) -> str:
    """Hash mlrag's code and calibration, or its packs: a change of any starts a new run."""
    root = Path(mlrag.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(p for pattern in patterns for p in root.rglob(pattern)):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def write_plan(folder: Path, plan: RunPlan) -> None:
    """Write a plan into the run's folder in one step."""
    folder.mkdir(parents=True, exist_ok=True)
    examples = {lang: [_to_json(e) for e in es] for lang, es in plan.examples.items()}
    atomic_write(folder / _FILE, json.dumps({"signature": plan.signature, "examples": examples}, ensure_ascii=False))


def read_plan(folder: Path) -> RunPlan:
    """Read a run's plan. Raises CorpusFormatError where the folder has none, as those written before 0.2."""
    path = folder / _FILE
    if not path.is_file():
        raise CorpusFormatError(f"{folder} holds no {_FILE}", "give a run's folder or name; `eval.tiers` makes one")
    plan = json.loads(path.read_text(encoding="utf-8"))
    examples = {lang: [_read_example(row) for row in rows] for lang, rows in plan["examples"].items()}
    return RunPlan(plan["signature"], examples)


def find_run(data_dir: Path, name: str) -> Path:
    """Return the folder of a run, given as a folder of rows or of a report, or as a name under runs/ or reports/."""
    for folder in (Path(name), data_dir / "runs" / name, data_dir / "reports" / name):
        if (folder / _FILE).is_file():
            return folder
        if (folder / "tiers.json").is_file():
            run: str = json.loads((folder / "tiers.json").read_text(encoding="utf-8"))["run"]
            return data_dir / "runs" / run
    raise CorpusFormatError(f"there is no run {name!r}", f"give a folder, or a name under {data_dir / 'runs'}")


def latest_run(data_dir: Path) -> Path:
    """Return the folder of the run whose rows were written last."""
    folders = [p.parent for p in (data_dir / "runs").glob(f"*/{_FILE}")]
    if not folders:
        raise CorpusFormatError(f"there is no run under {data_dir / 'runs'}", "run `python -m eval.tiers` first")
    return max(folders, key=lambda folder: (max(p.stat().st_mtime_ns for p in folder.iterdir()), folder.name))


def _to_json(example: Example) -> dict[str, Any]:
    only = None if example.only is None else sorted(example.only)
    return asdict(example) | {"hidden": sorted(example.hidden), "only": only}


def _read_example(row: dict[str, Any]) -> Example:
    sets = {"hidden": frozenset(row["hidden"]), "only": None if row["only"] is None else frozenset(row["only"])}
    tuples = {name: tuple(row[name]) for name in ("answers", "gold_docs", "options")}
    return Example(**(row | sets | tuples))
