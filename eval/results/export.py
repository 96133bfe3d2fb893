"""Rows and figures for other programs: CSV, and Parquet where pyarrow is installed."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from importlib.util import find_spec
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import Any

from eval.metrics.summary import ANSWER
from eval.results.scores import FIGURES, outcome_of
from mlrag.languages import language

_AT_ONCE = 10_000
_TEXTS = ("variant", "lang", "tier", "id", "cluster", "kind", "question", "outcome", "text", "model", "failure")
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
_COUNTED = (*FIGURES, ANSWER)
_numbers = attrgetter(*_NUMBERS, *_TOKENS)
Rows = Sequence[Sequence[Any]]  # in the order of their columns
Take = Callable[[Rows], object]


def figure_rows(result: Mapping[str, Any]) -> Iterator[Sequence[Any]]:
    """One row a variant, tier or language, and figure; empty where nothing could be scored."""
    for variant, found in result["variants"].items():
        for group, reports in (("tier", found["tiers"]), ("language", found["languages"])):
            for name, report in reports.items():
                for figure, f in report.figures.items():
                    ends = (f.interval.low, f.interval.high) if f.interval else (None, None)
                    yield variant, group, name, figure, f.value, *ends, f.n


def prediction_rows(result: Mapping[str, Any]) -> Iterator[Sequence[Any]]:
    """One row a variant and example: what was asked, said, spent, and what it counts in each figure."""
    for variant, found in result["variants"].items():
        for lang, details in found["details"].items():
            start = (variant, lang, f"T{language(lang).tier}")
            for (e, p), values in zip(details, found["values"][lang], strict=True):
                said = "failed" if values is None else str(outcome_of(values))
                counts = (values or {}).get
                own = (e.id, e.cluster, e.kind, e.question, said, p.text, p.model, p.error, e.answerable)
                yield *start, *own, *_numbers(p), *map(counts, _COUNTED)


def export(out: Path, result: Mapping[str, Any]) -> str:
    """Write rows and figures below `out`; why there is no Parquet, or ""."""
    with_parquet = find_spec("pyarrow") is not None
    tables = {"rows": (ROW_COLUMNS, prediction_rows), "figures": (FIGURE_COLUMNS, figure_rows)}
    for name, (columns, rows) in tables.items():
        with ExitStack() as files:
            takes = [_csv(out / f"{name}.csv", columns, files)]
            takes += [_parquet(out / f"{name}.parquet", columns, files)] if with_parquet else []
            left = rows(result)
            while some := list(islice(left, _AT_ONCE)):  # made once for both, and no table held whole
                for take in takes:
                    take(some)
    return "" if with_parquet else "no Parquet files: install pyarrow, .venv/bin/pip install -e '.[parquet]'"


def _csv(path: Path, columns: Iterable[str], files: ExitStack) -> Take:
    """UTF-8, a head, an empty field for None."""
    writer = csv.writer(files.enter_context(path.open("w", encoding="utf-8", newline="")), lineterminator="\n")
    writer.writerow(columns)
    return writer.writerows


def _parquet(path: Path, columns: Mapping[str, type], files: ExitStack) -> Take:
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {str: pa.string(), float: pa.float64(), int: pa.int64(), bool: pa.bool_()}
    schema = pa.schema([(name, types[kind]) for name, kind in columns.items()])
    writer = files.enter_context(pq.ParquetWriter(path, schema))

    def take(rows: Rows) -> None:
        arrays = [pa.array(column, kind) for column, kind in zip(zip(*rows, strict=True), schema.types, strict=True)]
        writer.write_table(pa.Table.from_arrays(arrays, schema=schema))

    return take
