"""Sets by their name on the hub, "hub:facebook/belebele". Fetched only when named; kept as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from eval.datasets.codes import flores_name
from mlrag.atomic_write import atomic_write
from mlrag.errors import CorpusFormatError
from mlrag.languages import language

PREFIX = "hub:"
Load = Callable[..., Iterable[Mapping[str, Any]]]

# hub name -> (the configuration of a language, the split)
_KNOWN: dict[str, tuple[Callable[[str], str], str]] = {
    "facebook/belebele": (flores_name, "test"),
    "google/xquad": (lambda code: f"xquad.{code}", "validation"),
    "facebook/mlqa": (lambda code: f"mlqa.{code}.{code}", "test"),
    "miracl/miracl": (lambda code: code, "dev"),
    "miracl/nomiracl": (lambda code: language(code).name.casefold(), "dev.relevant+dev.non_relevant"),
    "cohereforai/global-mmlu": (lambda code: code, "test"),
    "coherelabs/global-mmlu": (lambda code: code, "test"),
    "coherelabs/global-mmlu-lite": (lambda code: code, "test"),
    "coherelabs/include-base-44": (lambda code: language(code).name, "test"),
    "coherelabs/include-lite-44": (lambda code: language(code).name, "test"),
    "apple/mkqa": (lambda _code: "mkqa", "train"),
    "truthfulqa/truthful_qa": (lambda _code: "multiple_choice", "validation"),
    "google-research-datasets/tydiqa": (lambda _code: "secondary_task", "validation"),
}


def fetch(name: str, langs: Sequence[str], cache: Path, load: Load | None = None) -> Path:
    """The folder below `cache` with one JSON lines file a configuration; what is there already is not fetched again.

    `name` is hub:OWNER/NAME, or hub:OWNER/NAME:CONFIGURATION:SPLIT for sets that are not known here. Raises
    UnknownLanguageError; CorpusFormatError where `datasets` is not installed, a language is needed, or the hub gives
    nothing.
    """
    dataset, *rest = name.removeprefix(PREFIX).split(":")
    asked = _list_files(dataset, rest, langs)
    folder = cache / "hub" / dataset.replace("/", "--")
    folder.mkdir(parents=True, exist_ok=True)
    for lang, config, split in asked:
        target = folder / (f"{lang}.jsonl" if lang else f"{config}.jsonl")
        if not target.is_file():
            _store(load or _datasets(), dataset, config, split, target)
    return folder / f"{asked[0][0] or asked[0][1]}.jsonl" if len(asked) == 1 else folder


def _list_files(dataset: str, rest: Sequence[str], langs: Sequence[str]) -> list[tuple[str, str, str]]:
    """(language, configuration, split) of each file."""
    if rest:
        config, split = (*rest, "test")[:2]
        return [(langs[0] if len(langs) == 1 else "", config, split)]
    if dataset.casefold() not in _KNOWN:
        raise CorpusFormatError(
            f"{PREFIX}{dataset} is not one of {', '.join(sorted(_KNOWN))}",
            f"say which part of it: {PREFIX}{dataset}:CONFIGURATION:SPLIT",
        )
    config_of, split = _KNOWN[dataset.casefold()]
    if config_of("en") == config_of("si"):
        return [("", config_of("en"), split)]
    if not langs:
        raise CorpusFormatError(f"{PREFIX}{dataset} has a part for each language", "say which: --langs ta,si")
    return [(language(code).code, config_of(code), split) for code in langs]


def _datasets() -> Load:
    try:
        from datasets import load_dataset
    except ImportError:
        raise CorpusFormatError(
            "sets by their hub name need the package `datasets`", ".venv/bin/pip install -e '.[hub]'"
        ) from None
    return load_dataset  # type: ignore[no-any-return]


def _store(load: Load, dataset: str, config: str, split: str, target: Path) -> None:
    try:
        rows = [row for part in split.split("+") for row in load(dataset, config, split=part)]
    except Exception as error:  # whatever `datasets` raises: no network, no such name, not allowed
        raise CorpusFormatError(f"the hub did not give {dataset}, {config}, {split}: {error}") from error
    atomic_write(target, "".join(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows))
