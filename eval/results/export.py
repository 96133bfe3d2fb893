"""Rows and metrics for other programs: CSV, and Parquet where pyarrow is installed."""

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
from eval.results.groups import tier_name
from eval.results.run_report import RunReport
from eval.results.scores import METRICS, outcome_of

_AT_ONCE = 10_000
_TEXTS = ("variant", "lang", "tier", "id", "cluster", "kind", "question", "outcome", "text", "model", "failure")
_NUMBERS = ("confidence", "seconds", "first_token_seconds")
_TOKENS = ("prompt_tokens", "output_tokens", "thinking_tokens")
ROW_COLUMNS: Mapping[str, type] = (
    dict.fromkeys(_TEXTS, str)
    | {"answerable": bool}
    | dict.fromkeys(_NUMBERS, float)
    | dict.fromkeys(_TOKENS, int)
    | dict.fromkeys((*METRICS, ANSWER), float)
)
METRIC_COLUMNS: Mapping[str, type] = {
    "variant": str,
    "group": str,
    "tier_or_language": str,
    "metric": str,
    "value": float,
    "low": float,
    "high": float,
    "n": int,
}
_COUNTED = (*METRICS, ANSWER)
_numbers = attrgetter(*_NUMBERS, *_TOKENS)
Rows = Sequence[Sequence[Any]]  # in the order of their columns
WriteRows = Callable[[Rows], object]


def metric_rows(report: RunReport) -> Iterator[Sequence[Any]]:
    """Yield one row a variant, tier or language, and metric; empty where nothing could be scored."""
    for variant, result in report.variants.items():
        for kind, groups in (("tier", result.tiers), ("language", result.languages)):
            for name, group in groups.items():
                for metric, m in group.metrics.items():
                    ends = (m.interval.low, m.interval.high) if m.interval else (None, None)
                    yield variant, kind, name, metric, m.value, *ends, m.n


def prediction_rows(report: RunReport) -> Iterator[Sequence[Any]]:
    """Yield one row a variant and example: question, reply, cost, and its value in each metric."""
    for variant, result in report.variants.items():
        for lang, rows in result.rows.items():
            start = (variant, lang, tier_name(lang))
            for (e, p), values in zip(rows, result.values[lang], strict=True):
                outcome = "failed" if values is None else str(outcome_of(values))
                texts = (e.id, e.cluster, e.kind, e.question, outcome, p.text, p.model, p.error, e.answerable)
                counts = [(values or {}).get(name) for name in _COUNTED]
                yield *start, *texts, *_numbers(p), *counts


def export(out: Path, report: RunReport) -> str:
    """Write rows and metrics below `out`; return why there is no Parquet, or ""."""
    with_parquet = find_spec("pyarrow") is not None
    tables = {"rows": (ROW_COLUMNS, prediction_rows), "metrics": (METRIC_COLUMNS, metric_rows)}
    for name, (columns, rows) in tables.items():
        with ExitStack() as files:
            writers = [_csv(out / f"{name}.csv", columns, files)]
            writers += [_parquet(out / f"{name}.parquet", columns, files)] if with_parquet else []
            left = rows(report)
            while chunk := list(islice(left, _AT_ONCE)):  # made once for both files, and no table is held whole
                for write in writers:
                    write(chunk)
    return "" if with_parquet else "no Parquet files: install pyarrow, .venv/bin/pip install -e '.[parquet]'"


def _csv(path: Path, columns: Iterable[str], files: ExitStack) -> WriteRows:
    """Open a CSV file: UTF-8, a head, an empty field for None."""
    writer = csv.writer(files.enter_context(path.open("w", encoding="utf-8", newline="")), lineterminator="\n")
    writer.writerow(columns)
    return writer.writerows


def _parquet(path: Path, columns: Mapping[str, type], files: ExitStack) -> WriteRows:
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {str: pa.string(), float: pa.float64(), int: pa.int64(), bool: pa.bool_()}
    schema = pa.schema([(name, types[kind]) for name, kind in columns.items()])
    writer = files.enter_context(pq.ParquetWriter(path, schema))

    def write(rows: Rows) -> None:
        arrays = [pa.array(column, kind) for column, kind in zip(zip(*rows, strict=True), schema.types, strict=True)]
        writer.write_table(pa.Table.from_arrays(arrays, schema=schema))

    return write
