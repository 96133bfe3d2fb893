"""python -m benchmarks.routing [--quick]: always small, always large, routed: quality and cost in one table.

Two scripted stand-ins behind Ollama's protocol, with known rates by tier: `small` answers in another language, adds an
invented number or takes a wrong sentence more often the lower the tier is; `large` does so seldom, costs ten times as
much and takes five times as long. Neither is a model: the tables tell what routing does with such rates, not what Gemma
does. Asked again, either draws anew. Prices and speeds are made up; tokens are counted at the stand-in's server.
"""

# ruff: noqa: T201
from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Annotated, Any

import typer

from benchmarks.tables import Answerers, drawn, examples_of, said
from eval.metrics.answers import containment
from eval.metrics.summary import ABSTENTION, ANSWER
from eval.report.tables import format_metric
from eval.results.groups import by_tier
from eval.results.scores import group_by_metric, score_rows, summarise_tier
from eval.runner.answer import answer
from eval.runner.plan import RunPlan
from eval.runner.prepare import load_data, prepare
from eval.statistics import macro_difference
from eval.types import Prediction
from mlrag.languages import Language, language
from mlrag.models.route_file import routes_from, trimmed, write_routes
from mlrag.models.routing import Budget
from mlrag.settings import Settings
from mlrag.state.budget import Ledger, SqliteBudget
from mlrag.testing import FakeOllama
from mlrag.testing.server import about_tokens, prompt_of

SMALL, LARGE = "e2b", "31b"
TAGS = {SMALL: "gemma4:e2b", LARGE: "gemma4:31b"}
LANGS = "en,zh,ar,ta,si"
ELSEWHERE = {
    "en": "Está escrito allí que la respuesta a esta pregunta es bien conocida por todos. [1]",
    "": "It is written there that the answer to this question is well known to everybody. [1]",
}


@dataclass(frozen=True, slots=True)
class Rates:
    """By tier 1 to 4: replies in another language; of the rest, with an invented number; of the rest, with a wrong
    sentence (to answerable questions) or silent (to others). What is left is right, or the closest sentence."""

    foreign: tuple[float, float, float, float]
    number: tuple[float, float, float, float]
    wrong: tuple[float, float, float, float]
    silent: tuple[float, float, float, float]


RATES = {
    "small": Rates((0.01, 0.04, 0.15, 0.30), (0.04, 0.06, 0.15, 0.20), (0.10, 0.12, 0.14, 0.16), (0.8, 0.75, 0.7, 0.6)),
    "large": Rates((0.0, 0.0, 0.01, 0.03), (0.01, 0.01, 0.03, 0.05), (0.05, 0.06, 0.08, 0.10), (0.9, 0.9, 0.85, 0.8)),
}
PRICES = {SMALL: (0.05, 0.10), LARGE: (0.50, 1.00)}  # dollars for a million tokens, made up
SPEEDS = {SMALL: (2000.0, 50.0), LARGE: (400.0, 10.0)}  # tokens read and written a second, made up


class Scripts(Answerers):
    """What either says; `log` keeps each call: who, tokens read, tokens written."""

    def __init__(self, langs: Sequence[str]) -> None:
        super().__init__(examples_of(None, langs))
        self.log: list[tuple[str, int, int]] = []
        self._lock = Lock()

    def __call__(self, body: dict[str, Any]) -> str:
        who = SMALL if body["model"] == TAGS[SMALL] else LARGE
        text = self.says("small" if who == SMALL else "large", prompt_of(body), body)
        read = sum(about_tokens(m["content"]) for m in body["messages"])
        with self._lock:
            self.log.append((who, read, max(1, len(text) // 3)))
        return text

    def says(self, who: str, prompt: str, body: dict[str, Any]) -> str:
        pack, question = self.asked(prompt)
        rates, at = RATES[who], pack.tier - 1
        again = any(pack.prompt[key] in prompt for key in ("firmer", "grounded"))
        draw = f"{who}{question}{again}"
        if drawn(f"{draw}language", rates.foreign[at]):
            return ELSEWHERE.get(pack.code, ELSEWHERE[""])
        if drawn(f"{draw}number", rates.number[at]):
            return f"{self.closest(body)} {_number(draw)}"
        holding = self.holding(pack, question, prompt)
        if holding is None:
            return pack.abstention if drawn(f"{draw}silent", rates.silent[at]) else self.closest(body)
        return self.closest(body) if drawn(f"{draw}wrong", rates.wrong[at]) else holding

    def holding(self, pack: Language, question: str, prompt: str) -> str | None:
        """The first sentence that holds an answer."""
        answers = self._by_question[pack.code, question].answers
        found = [s for s in self.sentences(prompt) if containment(s[1], answers, pack)]
        return said(found[0], pack) if found else None


def _number(draw: str) -> int:
    """A number that stands in no passage."""
    return 70_000_001 + 2 * sum(draw.encode())


def advice(tiers: Mapping[str, str]) -> dict[str, Any]:
    """As python -m eval.advise writes it (docs/choosing.md): the small one, the large one in some tiers."""

    def step(variant: str, origin: str) -> dict[str, Any]:
        escalate = LARGE if variant == SMALL else None
        words = {"variant": variant, "from": origin, "evidence": "stand-ins", "thinking": False}
        return words | {"fallbacks": ["extractive"], "escalate": escalate, "lighter": None if escalate else SMALL}

    rows = [{"variant": name, "place": "openrouter", "dollars": price} for name, price in PRICES.items()]
    route = {
        "default": step(SMALL, "mix"),
        "tiers": {tier: step(variant, tier) for tier, variant in tiers.items()},
        "languages": {},
        "budget": {"p95_seconds": None, "dollars_per_1000": None},
    }
    return {"schema": "mlrag.advice/1", "stand_ins": [], "route": route, "feasibility": rows}


class Trial:
    """Asks the same questions of everybody, and keeps what each call cost."""

    def __init__(self, settings: Settings, langs: list[str], limit: int | None, scripts: Scripts) -> None:
        self._settings, self._langs, self._limit, self._scripts = settings, langs, limit, scripts

    def ask(self, variant: str, route: dict[str, Any] | None = None, dollars: float | None = None) -> Asked:
        routes = None
        self._settings.route_file.unlink(missing_ok=True)
        self._settings.spent_file.unlink(missing_ok=True)
        if route:
            routes = trimmed(routes_from(route, "benchmarks/routing.py", None, None, Budget(dollars=dollars)))
            write_routes(self._settings.route_file, routes)
        data = load_data(self._settings, None, self._langs, self._limit)
        run = prepare(self._settings, data, cross_lingual=False)
        before = len(self._scripts.log)
        found = answer(run, variant, concurrency=2)
        spent = Ledger(lambda: SqliteBudget(self._settings.spent_file), routes.budget).spent() if routes else {}
        return Asked(run.plan, found, self._scripts.log[before:], sum(c.dollars for c in spent.values()))


@dataclass(frozen=True, slots=True)
class Asked:
    """`spent`: dollars by the route's own ledger."""

    plan: RunPlan
    found: Mapping[str, Sequence[Prediction]]
    log: Sequence[tuple[str, int, int]]
    spent: float

    @property
    def dollars(self) -> float:
        return sum((r * PRICES[who][0] + w * PRICES[who][1]) / 1e6 for who, r, w in self.log)

    @property
    def seconds(self) -> float:
        return sum(r / SPEEDS[who][0] + w / SPEEDS[who][1] for who, r, w in self.log)

    def cells(self, name: str, large: Asked) -> list[str]:
        """One row of the table."""
        rows = {x: self._rows(x) for x in self.found}
        said_ = [p for found in self.found.values() for p in found]
        report = summarise_tier(rows, said_)
        n = len(said_)
        calls = Counter(who for who, _, _ in self.log)
        figures = ("summary", "contains", "hallucination:near_miss", "hallucination:article_removed", "reply_language")
        cost = (f"{calls[SMALL] / n:.2f}", f"{calls[LARGE] / n:.2f}", f"{1000 * self.dollars / n:.3f}")
        shown = [format_metric(report.metrics.get(f)) for f in figures]
        return [name, self.less(large), *shown, *cost, f"{self.seconds / n:.2f}"]

    def by_tier(self, name: str) -> list[str]:
        reports = [
            summarise_tier({x: self._rows(x) for x in langs}, [p for x in langs for p in self.found[x]])
            for langs in by_tier(self.found).values()
        ]
        return [name, *(format_metric(r.metrics["summary"]) for r in reports)]

    def _rows(self, lang: str) -> Any:
        examples = self.plan.examples[lang]
        return group_by_metric(examples, score_rows(examples, self.found[lang], language(lang)))

    def right(self, lang: str) -> list[tuple[str, float]]:
        """What each reply is worth, in [0, 1], with its topic (docs/choosing.md, section 2)."""
        examples = self.plan.examples[lang]
        values = score_rows(examples, self.found[lang], language(lang))
        worth = ((e, v) for e, found in zip(examples, values, strict=True) for n, v in (found or {}).items() if _is(n))
        return [(e.cluster, value) for e, value in worth]

    def less(self, other: Asked) -> str:
        """Right replies less the other's, paired, in points."""
        pairs = {lang: zip(self.right(lang), other.right(lang), strict=True) for lang in self.found}
        found = macro_difference({lang: [(c, mine - its) for (c, mine), (_, its) in p] for lang, p in pairs.items()})
        ends = f"[{100 * found.interval.low:+.1f}, {100 * found.interval.high:+.1f}]"
        return f"{100 * found.value:+.1f} {ends}" if self is not other else "0"

    def warned(self, prefix: str) -> int:
        return sum(any(w.startswith(prefix) for w in p.warnings) for found in self.found.values() for p in found)


def _is(figure: str) -> bool:
    return figure == ANSWER or figure.startswith(ABSTENTION)


HEAD = (
    "who answers",
    "right replies less always large, points",
    "summary",
    "accuracy (contains)",
    "halluc. near miss",
    "halluc. article removed",
    "reply language",
    "small calls a question",
    "large calls a question",
    "$ for 1,000",
    "model seconds a question",
)


def show(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


def main(
    quick: bool = False,
    langs: Annotated[str, typer.Option(help="Languages of our questions.")] = LANGS,
    limit: Annotated[int, typer.Option(min=1, help="Questions a language, before those made unanswerable.")] = 90,
) -> None:
    """Both tables; --quick asks eight questions in three languages."""
    codes, most = (["en", "ta", "si"], 8) if quick else (langs.split(","), limit)
    scripts = Scripts(codes)
    cascade, tiers = advice({}), advice({"T3": LARGE, "T4": LARGE})
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        FakeOllama(models=tuple(TAGS.values()), reply=scripts) as double,
    ):
        settings = Settings(data_dir=Path(folder), ollama_host=double.url, variant="auto", concurrency=4)
        trial = Trial(settings, codes, most, scripts)
        asked = {f"always small ({SMALL} [stand-in])": trial.ask(SMALL)}
        asked[f"always large ({LARGE} [stand-in])"] = large = trial.ask(LARGE)
        asked["routed: small, large when refused"] = trial.ask("auto", cascade)
        asked["routed: T3, T4 large, else as above"] = trial.ask("auto", tiers)
        half = large.dollars / 2
        asked[f"the last, at most {half:.4f} $"] = last = trial.ask("auto", tiers, half)
    n = sum(map(len, large.found.values()))
    print(f"{n} rows a line: {', '.join(codes)}; percent, 95 % interval, n.\n")
    show(HEAD, [found.cells(name, large) for name, found in asked.items()])
    present = sorted({f"T{language(x).tier}" for x in codes})
    show(("summary", *present), [found.by_tier(name) for name, found in asked.items()])
    for name, found in asked.items():
        told = {w: found.warned(w) for w in ("escalated:", "not_escalated:", "retried:", "routed:budget:", "fallback:")}
        failed = sum(bool(p.error) for rows in found.found.values() for p in rows)
        print(f"{name}: {', '.join(f'{w} {k}' for w, k in told.items())} failed {failed}")
    print(f"budget {half:.5f} $, spent by the ledger {last.spent:.5f} $, by the server's count {last.dollars:.5f} $")


if __name__ == "__main__":
    typer.run(main)
