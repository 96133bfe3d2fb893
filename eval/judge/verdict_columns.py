"""A run as a judge sees it: one column a variant and language, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.judge.claim_columns import ClaimColumn, make_claim_columns
from eval.judge.correction import LEAST_LABELS, correct_by_exam, correct_by_labels
from eval.judge.exam import ExamResult, examine
from eval.judge.items import Grade, Label
from eval.judge.judge import Judge, grade_all
from eval.judge.labels import read_human_truth
from eval.judge.rows import VariantAnswers
from eval.judge.self_preference import GradeSample, measure_self_preference, shares_model
from eval.metrics.answers import containment
from eval.runner.jsonl_log import file_name
from eval.statistics import Estimate
from mlrag.errors import CorpusFormatError
from mlrag.languages import language
from mlrag.settings import Settings

Tick = Callable[[], object]
ALONE = "the judge's own model answered, and nobody else in this run: no self-preference gap can be given"


@dataclass(frozen=True, slots=True)
class Column:
    """What a judge says of one variant in one language.

    `share`: of the `n` answers with a readable verdict that it calls right. `corrected`: the same with the judge's
    mistakes taken out, by `method`; None where `why` says so. `probability`: its mean probability of "right", where
    listed. `unscored`: no readable verdict; in no share. `abstained`: called an abstention, and so not right.
    `self_judged`: the judge's own model answered.
    """

    variant: str
    lang: str
    n: int
    unscored: int
    abstained: int
    share: float | None
    probability: float | None
    corrected: Estimate | None
    method: str
    why: str
    self_judged: bool


@dataclass(frozen=True, slots=True)
class Judgement:
    """`gaps`: self-preference by variant that shares the judge's model; None where it cannot be known.

    `unexamined`: why a language has no exam. `claims`: the same parts claim by claim, where that was asked for.
    """

    judge: str
    model: str
    exams: Mapping[str, ExamResult]
    unexamined: Mapping[str, str]
    columns: Sequence[Column]
    gaps: Mapping[str, Estimate | None]
    claims: Sequence[ClaimColumn] = ()


def judge_answers(
    judge: Judge, parts: Sequence[VariantAnswers], folder: Path, settings: Settings, tick: Tick, claims: bool = False
) -> Judgement:
    """Examine the judge in each language, then ask it of every answer in those where it is admitted; with `claims`, of
    their claims too.

    ClaimVerdicts lie in `folder`/judged, exams in `settings.data_dir`/judges. Raises GeneratorUnavailableError.
    """
    exams, unexamined = run_exams(judge, sorted({p.lang for p in parts}), settings, tick)
    admitted = {lang for lang, found in exams.items() if found.admitted}
    own = {p.variant for p in parts if is_own_model(judge, p, settings)}
    admitted_parts = [p for p in parts if p.lang in admitted]
    judged = _judged(judge, admitted_parts, folder, settings, tick)
    verdicts = {(p.variant, p.lang): said for p, said in judged}
    gaps = _gaps(own, judged)
    columns = []
    for part in parts:
        said = verdicts.get((part.variant, part.lang), [])
        why = unexamined.get(part.lang) or exams[part.lang].why
        alone = part.variant in own and gaps.get(part.variant) is None
        columns.append(_column(part, said, exams.get(part.lang), why or ALONE * alone, folder, part.variant in own))
    barred = [(part, column.why) for part, column in zip(parts, columns, strict=True)]
    claimed = make_claim_columns(judge, barred, folder, settings, tick) if claims else []
    return Judgement(judge.name, judge.model, exams, unexamined, columns, gaps, claimed)


def run_exams(
    judge: Judge, langs: Sequence[str], settings: Settings, tick: Tick, questions: int | None = None
) -> tuple[dict[str, ExamResult], dict[str, str]]:
    """The exam of each language, of its first `questions` or all, and why others have none."""
    found, missing = {}, {}
    folder = settings.data_dir / "judges"
    for lang in langs:
        try:
            found[lang] = examine(judge, lang, settings.corpora, folder, tick, settings.concurrency, questions)
        except CorpusFormatError as error:
            missing[lang] = str(error)
    return found, missing


def measure_self_preferences(
    judge: Judge, own: set[str], parts: Sequence[VariantAnswers], folder: Path, settings: Settings, tick: Tick
) -> dict[str, Estimate | None]:
    """The gap of each variant in `own`, from verdicts on all parts; nothing is asked where there is none."""
    return _gaps(own, _judged(judge, parts, folder, settings, tick)) if own else {}


def _judged(
    judge: Judge, parts: Sequence[VariantAnswers], folder: Path, settings: Settings, tick: Tick
) -> list[tuple[VariantAnswers, list[Grade]]]:
    at_once = settings.concurrency
    return [(p, grade_all(judge, [r.item for r in p.rows], _path(folder, judge, p), tick, at_once)) for p in parts]


def _path(folder: Path, judge: Judge, part: VariantAnswers) -> Path:
    return folder / "judged" / f"{file_name(judge.name)}.{file_name(part.variant)}.{part.lang}.jsonl"


def is_own_model(judge: Judge, part: VariantAnswers, settings: Settings) -> bool:
    """Did the judge's model answer here?"""
    models = sorted({r.prediction.model for r in part.rows})
    return shares_model(judge.name, part.variant, models, settings)


def _gaps(own: set[str], judged: Sequence[tuple[VariantAnswers, Sequence[Grade]]]) -> dict[str, Estimate | None]:
    """Each own variant against all that are not own."""
    seen = {variant: _seen([pair for pair in judged if pair[0].variant == variant], variant in own) for variant in own}
    others = _seen([pair for pair in judged if pair[0].variant not in own], False)
    return {variant: measure_self_preference([*found, *others]) for variant, found in sorted(seen.items())}


def _seen(judged: Sequence[tuple[VariantAnswers, Sequence[Grade]]], own: bool) -> list[GradeSample]:
    return [
        GradeSample(row.item.cluster, f"{part.lang}:{_gold(part, row.item.answer, row.item.references)}", own, v.graded)
        for part, verdicts in judged
        for row, v in zip(part.rows, verdicts, strict=True)
        if v.scored
    ]


def _gold(part: VariantAnswers, answer: str, references: Sequence[str]) -> float | None:
    return containment(answer, references, language(part.lang))


def _column(
    part: VariantAnswers, verdicts: Sequence[Grade], exam: ExamResult | None, why: str, folder: Path, own: bool
) -> Column:
    read = [(row.item, v) for row, v in zip(part.rows, verdicts, strict=bool(verdicts)) if v.scored]
    corrected, method = None, ""
    if exam and not why and not read:
        why = next((v.error for v in verdicts if v.error), "no verdict can be read")
    if exam and not why:
        corrected, method = correct_rate(part, [v for _, v in read], exam, read_human_truth(folder, part))
    chances = [v.probability for _, v in read if v.probability is not None]
    return Column(
        variant=part.variant,
        lang=part.lang,
        n=len(read),
        unscored=len(verdicts) - len(read),
        abstained=sum(v.label is Label.ABSTAINED for _, v in read),
        share=sum(v.right for _, v in read) / len(read) if read and not why else None,
        probability=sum(chances) / len(chances) if chances and not why else None,
        corrected=corrected,
        method=method,
        why=why,
        self_judged=own,
    )


def correct_rate(
    part: VariantAnswers, read: Sequence[Grade], exam: ExamResult, truth: Mapping[str, float]
) -> tuple[Estimate, str]:
    """The corrected share and how it came about: from a person's labels where there are enough, else from the exam."""
    clusters = {r.item.id: r.item.cluster for r in part.rows}
    labelled = [v for v in read if v.id in truth]
    if len(labelled) < LEAST_LABELS:
        found = correct_by_exam([(clusters[v.id], v.right) for v in read], exam.right_rows, exam.other_rows)
        return found, "exam"
    graded = [v.graded for v in labelled]
    rest = [(clusters[v.id], v.graded) for v in read if v.id not in truth]
    return correct_by_labels([(clusters[v.id], truth[v.id]) for v in labelled], graded, rest), f"{len(labelled)} labels"
