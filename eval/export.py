"""Rows and figures for other programs: CSV, and Parquet where pyarrow is installed."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from eval.outcome import outcome
from eval.scores import FIGURES
from eval.summary import ANSWER
from mlrag.languages import language

_AT_ONCE = 10_000
_TEXTS = ("variant", "lang", "tier", "id", "cluster", "kind", "question", "outcome", "text", "model", "error")
_NUMBERS = ("confidence", "seconds", "first_token_seconds")
_TOKENS = ("prompt_tokens", "output_tokens", "thinking_tokens")
ROW_COLUMNS: Mapping[str, type] = (
    dict.fromkeys(_TEXTS, str)
    | {"answerable": bool}
    | dict.fromkeys(_NUMBERS, float)
    | dict.fromkeys(_TOKENS, int)
    | dict.fromkeys((*FIGURES, ANSWER), float)
)
FIGURE_COLUMNS: Mapping[str, type] = {
    "variant": str,
    "group": str,
    "tier_or_language": str,
    "figure": str,
    "value": float,
    "low": float,
    "high": float,
    "n": int,
}
Row = dict[str, Any]


def figure_rows(result: Mapping[str, Any]) -> Iterator[Row]:
    """One row a variant, tier or language, and figure; empty where nothing could be scored."""
    for variant, found in result["variants"].items():
        for group, reports in (("tier", found["tiers"]), ("language", found["languages"])):
            for name, report in reports.items():
                start = {"variant": variant, "group": group, "tier_or_language": name}
                for figure, f in report.figures.items():
                    ends = (f.interval.low, f.interval.high) if f.interval else (None, None)
                    yield start | {"figure": figure, "value": f.value, "low": ends[0], "high": ends[1], "n": f.n}


def prediction_rows(result: Mapping[str, Any]) -> Iterator[Row]:
    """One row a variant and example: what was asked, said, spent, and what it counts in each figure."""
    for variant, found in result["variants"].items():
        for lang, details in found["details"].items():
            for (example, prediction), values in zip(details, found["values"][lang], strict=True):
                row: Row = {name: getattr(prediction, name) for name in (*_NUMBERS, *_TOKENS, "text", "model", "error")}
                row |= {name: getattr(example, name) for name in ("id", "cluster", "kind", "question", "answerable")}
                row |= {"variant": variant, "lang": lang, "tier": f"T{language(lang).tier}"}
                row["outcome"] = "failed" if prediction.error else str(outcome(prediction, language(lang)))
                yield row | {name: (values or {}).get(name) for name in (*FIGURES, ANSWER)}


def export(out: Path, result: Mapping[str, Any]) -> str:
    """Write rows and figures below `out`; why there is no Parquet, or ""."""
    tables: dict[str, tuple[Mapping[str, type], Callable[[Mapping[str, Any]], Iterator[Row]]]] = {
        "rows": (ROW_COLUMNS, prediction_rows),
        "figures": (FIGURE_COLUMNS, figure_rows),
    }
    for name, (columns, rows) in tables.items():
        write_csv(out / f"{name}.csv", list(columns), rows(result))
    try:
        for name, (columns, rows) in tables.items():
            write_parquet(out / f"{name}.parquet", columns, rows(result))
    except ImportError:
        return "no Parquet files: install pyarrow, .venv/bin/pip install -e '.[parquet]'"
    return ""


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """UTF-8, a head, an empty field for None."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows(chain([columns], ([row[c] for c in columns] for row in rows)))


def write_parquet(path: Path, columns: Mapping[str, type], rows: Iterable[Row]) -> None:
    """Written 10,000 rows at a time, so that no table is held whole. Raises ImportError without pyarrow."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {str: pa.string(), float: pa.float64(), int: pa.int64(), bool: pa.bool_()}
    schema = pa.schema([(name, types[kind]) for name, kind in columns.items()])
    left = iter(rows)
    with pq.ParquetWriter(path, schema) as writer:
        while some := list(islice(left, _AT_ONCE)):
            writer.write_table(pa.Table.from_pylist(some, schema=schema))
