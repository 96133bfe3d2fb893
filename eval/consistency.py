"""python -m eval.consistency: the same fact in other words and in other languages; how often the answers agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import typer

from eval.datasets.own import own_questions, read_jsonl, sample_examples
from eval.metrics.agreement import AskedFact, classify_answer, consistency
from eval.probes.cli import Limit, make_command
from eval.probes.metrics import count_failures, group_languages
from eval.probes.report import Cell, Section
from eval.probes.run import PreparedProbe, ProbeRequest, Respondent, Rows
from eval.results.metric_value import MetricValue
from eval.runner import prepare as runner
from eval.runner.answer import make_answerer
from eval.types import Example, Prediction
from mlrag.errors import CorpusFormatError
from mlrag.text.normalize import clean

PROBE = "consistency"
PARAPHRASES = Path(__file__).parent / "data" / "paraphrases"
HEAD = ("variant", "group", "agree", "good throughout", "failed")
LANGUAGES, WORDS = "In other languages", "In other words"
ABOUT = (
    "One fact, asked in several languages, or in several wordings of one. Each question ends right (a reference of its "
    "own language stands in the answer), wrong or abstained. Our questions and their rewordings were not checked by "
    "native readers."
)
NOTE = (
    "Agree: mean share of a set's pairs that end alike. Good throughout: share of sets that are right every time, or "
    "silent every time where the documents do not say; a variant that always abstains agrees fully and is good at "
    "nothing. n: sets; Wilson's interval on the effective sample size, a fact one cluster."
)


def read_rewordings(lang: str, examples: Sequence[Example]) -> list[Example]:
    """Return our test questions in other words, with their answers and documents and ids like "dengue-2~w1".

    A language without a file has none. Raises CorpusFormatError.
    """
    path = PARAPHRASES / f"{lang}.jsonl"
    by_id = {e.id: e for e in examples}
    found = []
    for row in read_jsonl(path) if path.is_file() else ():
        if not isinstance(row.get("rewordings"), list) or "id" not in row:
            raise CorpusFormatError(f'{path}: a row is not {{"id", "rewordings": […]}}: {str(row)[:80]}')
        if original := by_id.get(row["id"]):
            for n, text in enumerate(row["rewordings"], 1):
                found.append(replace(original, id=f"{original.id}~w{n}", question=clean(text)))
    return found


def fact_of(example: Example) -> str:
    """Return the fact that a question asks for: "dengue-2~w1" -> "dengue-2", the same in every language."""
    return example.id.split("~")[0]


def make_sections(examples: Mapping[str, Sequence[Example]], rows: Rows) -> tuple[Section, Section]:
    """Return the tables across languages, of first wordings alone, and across the wordings of each language."""
    across: list[list[Cell]] = []
    within: list[list[Cell]] = []
    for variant, predictions in rows.items():
        across += _make_lines(variant, examples, predictions, across_languages=True)
        within += _make_lines(variant, examples, predictions, across_languages=False)
    return Section(LANGUAGES, NOTE, HEAD, across), Section(WORDS, NOTE, HEAD, within)


def _make_lines(
    variant: str,
    examples: Mapping[str, Sequence[Example]],
    predictions: Mapping[str, Sequence[Prediction]],
    *,
    across_languages: bool,
) -> Iterator[list[Cell]]:
    answers = {
        lang: _compared_answers(list(zip(examples[lang], of_language, strict=True)), across_languages)
        for lang, of_language in predictions.items()
    }
    for group, langs in group_languages(predictions).items():
        if across_languages and len(langs) < 2:
            continue
        result = consistency([answer for x in langs for answer in answers[x]], across_languages=across_languages)
        agree = MetricValue(result.agree, result.n, result.agree_interval)
        good = MetricValue(result.good, result.n, result.good_interval)
        yield [variant, group, agree, good, count_failures(p for x in langs for p in predictions[x])]


def _compared_answers(pairs: Sequence[tuple[Example, Prediction]], across_languages: bool) -> list[AskedFact]:
    """Return the answers that are compared: to first wordings across languages, else to facts that are reworded."""
    if across_languages:
        pairs = [(e, p) for e, p in pairs if e.id == fact_of(e)]
    else:
        reworded = {fact_of(e) for e, _ in pairs if e.id != fact_of(e)}
        pairs = [(e, p) for e, p in pairs if fact_of(e) in reworded]
    answers = (classify_answer(e, p, fact_of(e)) for e, p in pairs)
    return [answer for answer in answers if answer]


def prepare(request: ProbeRequest, limit: Limit = None) -> PreparedProbe:
    """How often the same fact, asked otherwise, ends alike. Answers that python -m eval.tiers has are used again."""
    settings = request.settings
    run = runner.prepare(settings, runner.load_data(settings, None, request.langs, None), cross_lingual=False)
    originals = {lang: sample_examples(own_questions(lang), limit) for lang in run.data.langs}
    examples = {lang: [*of_language, *read_rewordings(lang, of_language)] for lang, of_language in originals.items()}

    def respondent(variant: str) -> Respondent:
        return Respondent(make_answerer(settings, run.retriever, variant), examples)

    def sections(rows: Rows) -> tuple[Section, ...]:
        return make_sections(examples, rows)

    signature = {**run.plan.signature, "limit": limit}
    name = f"{PROBE}-{run.plan.name}"
    return PreparedProbe(PROBE, "Consistency", ABOUT, run.rows, request.variants, respondent, sections, signature, name)


main = make_command(prepare, "extractive")

if __name__ == "__main__":
    typer.run(main)
