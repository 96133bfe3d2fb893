"""The judge exam: answers of known truth, made from our calibration questions, one exam a language.

Right: the gold answer, alone and in a sentence of its document. Wrong: a digit changed or another question's name in
its place, another question's answer, a right sentence in another language. Abstained: the abstention sentence.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import regex

from eval.baselines.scripted import AnswerKey, own_answer_key
from eval.datasets.own import QUESTIONS
from eval.judge.correction import mean_rate
from eval.judge.items import Grade, JudgeItem, Label
from eval.judge.judge import Judge, fingerprint, grade_all
from eval.metrics.answers import containment
from eval.runner.jsonl_log import file_name
from eval.statistics import Estimate, Interval
from eval.statistics.kappa import kappa
from eval.types import Example
from mlrag.errors import CorpusFormatError
from mlrag.languages import languages

BAR = 0.5  # for the lower end of sensitivity + specificity - 1
_DIGIT = regex.compile(r"\p{Nd}")
Rows = list[tuple[str, float]]


@dataclass(frozen=True, slots=True)
class ExamItem:
    """One answer of the exam with its true label. `kind` says how it was made."""

    item: JudgeItem
    truth: Label
    kind: str


@dataclass(frozen=True, slots=True)
class ExamResult:
    """The result of a judge's exam in one language.

    Args:
        sensitivity: proportion of the right answers that it calls right.
        specificity: proportion of the others that it does not call right.
        youden: their sum - 1.
        agreement: Cohen's kappa over the labels.
        unscored: unreadable grades; each counts as a mistake in all of these.
        mistakes: by kind, "wrong/all".
        right_rows: (question, 1 if called right) of the readable grades of right answers, for corrections.
        other_rows: the same of the other answers.
        why: the reason why it is not admitted; "" where it is.
    """

    lang: str
    judge: str
    version: str
    sensitivity: Estimate
    specificity: Estimate
    youden: Estimate
    agreement: Estimate
    unscored: int
    mistakes: dict[str, str]
    right_rows: Rows
    other_rows: Rows
    why: str

    @property
    def admitted(self) -> bool:
        return not self.why


def change_digit(text: str) -> str:
    """Replace the first digit, of any script, by the next from 1 to 9 and round; "" for a text without digits."""
    found = _DIGIT.search(text)
    if not found:
        return ""
    digit = found.group()
    value = int(digit)
    other = chr(ord(digit) - value + value % 9 + 1)
    return text[: found.start()] + other + text[found.end() :]


@cache
def _keys(corpora: Path) -> dict[str, AnswerKey]:
    there = [c for c in languages() if (QUESTIONS / f"{c}.jsonl").is_file() and (corpora / c).is_dir()]
    return {c: own_answer_key(c, corpora, "calibration") for c in there}


def make_exam(lang: str, corpora: Path) -> list[ExamItem]:
    """Return the exam of a language. Raises CorpusFormatError without questions and documents of our own in it."""
    keys = _keys(corpora)
    if lang not in keys:
        raise CorpusFormatError(f"there is no judge exam in {lang!r}", "it takes questions and documents of our own")
    return [task for example in keys[lang].answerable for task in _tasks(keys, keys[lang], example)]


def _tasks(keys: dict[str, AnswerKey], key: AnswerKey, example: Example) -> Iterator[ExamItem]:
    shown = tuple(p.indexed_text for p in key.passages if p.doc_id in example.gold_docs)
    for kind, truth, answer in _answers(keys, key, example):
        name = f"{example.id}~{kind}"
        item = JudgeItem(name, example.lang, example.question, answer, example.answers, shown, example.id)
        yield ExamItem(item, truth, kind)


def _answers(keys: dict[str, AnswerKey], key: AnswerKey, example: Example) -> Iterator[tuple[str, Label, str]]:
    """Yield (kind, truth, answer); a wrong one that still contains a reference is left out."""
    gold, sentence, other = example.answers[0], key.answering[example.id], key.other(example)
    yield "gold", Label.RIGHT, gold
    yield "gold_sentence", Label.RIGHT, sentence
    swapped = change_digit(gold) or _alike(key, example)
    wrong = {
        "swapped": swapped,
        "swapped_sentence": sentence.replace(gold, swapped) if gold in sentence else "",
        "other_answer": key.answering[other.id],
    }
    for kind, answer in wrong.items():
        if answer and not containment(answer, example.answers, key.lang):
            yield kind, Label.WRONG, answer
    yield "abstention", Label.ABSTAINED, key.lang.abstention
    foreign = _another_language(keys, example)
    if foreign:
        yield "other_language", Label.WRONG, foreign


def _alike(key: AnswerKey, example: Example) -> str:
    """Return the answer of another topic, without digits, that is nearest in length: often a name for a name."""
    golds = [e.answers[0] for e in key.answerable if e.cluster != example.cluster]
    return min((g for g in golds if not _DIGIT.search(g)), key=lambda g: abs(len(g) - len(example.answers[0])))


def _another_language(keys: dict[str, AnswerKey], example: Example) -> str:
    """Return the sentence that answers the question in another language, drawn by the question's id; "" for none."""
    others = [c for c in sorted(keys) if c != example.lang and example.id in keys[c].answering]
    if not others:
        return ""
    drawn = hashlib.sha256(f"{example.id} {example.lang}".encode()).digest()[0]
    return keys[others[drawn % len(others)]].answering[example.id]


def compute_version(tasks: Sequence[ExamItem]) -> str:
    """Return a hash that changes with any item, any truth and the judge's prompt."""
    parts = "\0".join(f"{fingerprint(t.item)} {t.truth}" for t in tasks)
    return hashlib.sha256(parts.encode()).hexdigest()[:10]


def examine(
    judge: Judge,
    lang: str,
    corpora: Path,
    folder: Path,
    tick: Callable[[], object],
    concurrency: int = 1,
    questions: int | None = None,
) -> ExamResult:
    """Run the exam of a language; grades stored in `folder` (by judge, exam version, language) are not asked again.

    Args:
        questions: use the first N questions only; None for all.

    Raises:
        CorpusFormatError: the language has no exam.
        GeneratorUnavailableError: the judge cannot be reached.
    """
    tasks = make_exam(lang, corpora)
    kept = list(dict.fromkeys(t.item.cluster for t in tasks))[:questions]
    tasks = [t for t in tasks if t.item.cluster in kept]
    path = folder / file_name(judge.name) / f"exam-{compute_version(tasks)}.{lang}.jsonl"
    verdicts = grade_all(judge, [t.item for t in tasks], path, tick, concurrency)
    return score_exam(judge.name, lang, tasks, verdicts)


def score_exam(judge: str, lang: str, tasks: Sequence[ExamItem], verdicts: Sequence[Grade]) -> ExamResult:
    """Compute the result from the grades; intervals are clustered by question."""
    pairs = list(zip(tasks, verdicts, strict=True))
    truths = [(t, v) for t, v in pairs if t.truth is Label.RIGHT]
    others = [(t, v) for t, v in pairs if t.truth is not Label.RIGHT]
    sensitivity = mean_rate([(t.item.cluster, v.right) for t, v in truths])
    specificity = mean_rate([(t.item.cluster, float(v.scored) * (1 - v.right)) for t, v in others])
    youden = compute_youden(sensitivity, specificity)
    truth, labels = [t.truth for t in tasks], [v.label for v in verdicts]
    agreement = kappa(truth, labels, [t.item.cluster for t in tasks])
    unscored = sum(not v.scored for v in verdicts)
    right_rows = [(t.item.cluster, v.right) for t, v in truths if v.scored]
    other_rows = [(t.item.cluster, v.right) for t, v in others if v.scored]
    return ExamResult(
        lang=lang,
        judge=judge,
        version=compute_version(tasks),
        sensitivity=sensitivity,
        specificity=specificity,
        youden=youden,
        agreement=agreement,
        unscored=unscored,
        mistakes=_mistakes(pairs),
        right_rows=right_rows,
        other_rows=other_rows,
        why=_why(youden, verdicts),
    )


def compute_youden(a: Estimate, b: Estimate) -> Estimate:
    """Return a + b - 1; the interval recovers its variance from theirs (Newcombe 1998, method 10)."""
    value = a.value + b.value - 1
    low = value - math.hypot(a.value - a.interval.low, b.value - b.interval.low)
    high = value + math.hypot(a.interval.high - a.value, b.interval.high - b.value)
    return Estimate(value, Interval(max(-1.0, low), min(1.0, high)), a.n + b.n)


def _mistakes(pairs: Sequence[tuple[ExamItem, Grade]]) -> dict[str, str]:
    """Count, by kind, the grades on the wrong side of "right": "2/18"."""
    found = {}
    for kind in dict.fromkeys(t.kind for t, _ in pairs):
        own = [(t, v) for t, v in pairs if t.kind == kind]
        missed = sum(not v.scored or v.right != float(t.truth is Label.RIGHT) for t, v in own)
        found[kind] = f"{missed}/{len(own)}"
    return found


def _why(youden: Estimate, verdicts: Sequence[Grade]) -> str:
    if youden.interval.low >= BAR:
        return ""
    failed = next((v.error for v in verdicts if v.error), "")
    at_least = f"its sensitivity + specificity - 1 may be as low as {youden.interval.low:.2f} (bar {BAR:.2f})"
    return at_least + (f"; some of it failed: {failed}" if failed else "")
