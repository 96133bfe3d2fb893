"""Ask variants the questions of a prepared run; each row is on disk before anything is made of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from eval.runner.closed_book import ClosedBook
from eval.runner.hosts import Hosts, by_host
from eval.runner.plan import base_variant, is_closed_book
from eval.runner.prepare import PreparedRun
from eval.runner.rows import Answerer
from eval.types import Prediction
from mlrag.answering.retriever import Retriever
from mlrag.factory import make_pipeline
from mlrag.models.variants import parse_variant
from mlrag.settings import Settings

Tick = Callable[[], None]


def answer(
    run: PreparedRun, variant: str, tick: Tick = lambda: None, concurrency: int | None = None
) -> Mapping[str, Sequence[Prediction]]:
    """Return a variant's rows by language: those that are stored, and the others asked now.

    `tick` is called after each row that was asked, `concurrency` as for `concurrency_limit`.
    """
    answerer = make_answerer(run.settings, run.retriever, variant, run.hosts)
    limit = concurrency_limit(run, variant, concurrency)
    return {
        lang: run.rows.complete(answerer, examples, variant, lang, tick, limit)
        for lang, examples in run.plan.examples_for(variant).items()
    }


def count_finished(run: PreparedRun, variant: str) -> int:
    """Count the rows of a variant that need not be asked again."""
    count = 0
    for lang, examples in run.plan.examples_for(variant).items():
        finished = run.rows.read_finished(variant, lang)
        count += sum(e.id in finished for e in examples)
    return count


def concurrency_limit(run: PreparedRun, variant: str, concurrency: int | None = None) -> int:
    """Return how many questions a variant is asked at once: the number given, else a default.

    The default is 1 for extractive, which keeps this machine busy alone, else as many as the settings allow a
    backend, on each of its hosts.
    """
    if concurrency:
        return concurrency
    if is_extractive(run.settings, variant):
        return 1
    return run.settings.concurrency * max(1, len(run.hosts))


def is_extractive(settings: Settings, variant: str) -> bool:
    return parse_variant(base_variant(variant), settings.variants).backend == "extractive"


def make_answerer(settings: Settings, retriever: Retriever, variant: str, hosts: Sequence[str] = ()) -> Answerer:
    """Return what answers under a variant's name, over one or several hosts of its backend."""

    def make(host_settings: Settings) -> Answerer:
        if is_closed_book(variant):
            return ClosedBook(host_settings, variant)
        return make_pipeline(host_settings, retriever, variant, cross_language=False)

    several = by_host(settings, variant, hosts)
    return Hosts({url: make(host_settings) for url, host_settings in several.items()}) if several else make(settings)
