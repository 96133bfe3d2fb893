"""What a run asks, kept beside its rows: with it the rows can be scored again without corpus, index or model."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from eval.datasets.own import Example
from mlrag.errors import CorpusFormatError

_FILE = "plan.json"
_CLOSED = " (closed book)"


def is_closed(variant: str) -> bool:
    return variant.endswith(_CLOSED)


def closed(variant: str) -> str:
    """The row of a variant that is asked without passages: "e4b (closed book)"."""
    return variant + _CLOSED


def base_of(variant: str) -> str:
    """ "e4b (closed book)" -> "e4b"."""
    return variant.removesuffix(_CLOSED)


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a figure depends on but the variant, and the examples by language, in the order of the report."""

    signature: Mapping[str, Any]
    examples: Mapping[str, Sequence[Example]]

    @property
    def name(self) -> str:
        """The run's name: ten hexadecimal digits of the signature's SHA-256."""
        return hashlib.sha256(json.dumps(self.signature, sort_keys=True).encode()).hexdigest()[:10]

    def asked(self, variant: str) -> Mapping[str, Sequence[Example]]:
        """A closed book is asked what has an answer only: whether passages hold it is no question there."""
        if not is_closed(variant):
            return self.examples
        return {lang: [replace(e, gold_docs=()) for e in found if e.answers] for lang, found in self.examples.items()}


def write_plan(folder: Path, plan: Plan) -> None:
    """Keep a plan in the run's folder; the file is there whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    examples = {lang: [_flat(e) for e in found] for lang, found in plan.examples.items()}
    draft = folder / f"{_FILE}.{os.getpid()}.tmp"
    draft.write_text(json.dumps({"signature": plan.signature, "examples": examples}, ensure_ascii=False), "utf-8")
    draft.replace(folder / _FILE)


def read_plan(folder: Path) -> Plan:
    """Raises CorpusFormatError where the folder keeps none, as those of before 0.2 do."""
    path = folder / _FILE
    if not path.is_file():
        raise CorpusFormatError(f"{folder} holds no {_FILE}", "give a run's folder or name; `eval.tiers` makes one")
    found = json.loads(path.read_text(encoding="utf-8"))
    return Plan(found["signature"], {lang: [_example(e) for e in rows] for lang, rows in found["examples"].items()})


def find_run(data_dir: Path, name: str) -> Path:
    """The folder of a run, given as a folder of rows or of a report, or as a name under runs/ or reports/."""
    for place in (Path(name), data_dir / "runs" / name, data_dir / "reports" / name):
        if (place / _FILE).is_file():
            return place
        if (place / "tiers.json").is_file():
            run: str = json.loads((place / "tiers.json").read_text(encoding="utf-8"))["run"]
            return data_dir / "runs" / run
    raise CorpusFormatError(f"there is no run {name!r}", f"give a folder, or a name under {data_dir / 'runs'}")


def latest_run(data_dir: Path) -> Path:
    """The run whose rows were written last."""
    found = [p.parent for p in (data_dir / "runs").glob(f"*/{_FILE}")]
    if not found:
        raise CorpusFormatError(f"there is no run under {data_dir / 'runs'}", "run `python -m eval.tiers` first")
    return max(found, key=lambda folder: (max(p.stat().st_mtime_ns for p in folder.iterdir()), folder.name))


def _flat(example: Example) -> dict[str, Any]:
    only = None if example.only is None else sorted(example.only)
    return asdict(example) | {"hidden": sorted(example.hidden), "only": only}


def _example(row: dict[str, Any]) -> Example:
    sets = {"hidden": frozenset(row["hidden"]), "only": None if row["only"] is None else frozenset(row["only"])}
    tuples = {name: tuple(row[name]) for name in ("answers", "gold_docs", "options")}
    return Example(**(row | sets | tuples))
