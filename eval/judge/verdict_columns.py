"""Judge a run: one column for each variant and language, or the reason why there is none."""

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
ALONE = "only the judge's own model answered in this run: its self-preference gap is unknown"


@dataclass(frozen=True, slots=True)
class Column:
    """The grades of one variant in one language.

    Args:
        n: answers with a readable grade.
        unscored: answers without one; they are in no proportion.
        abstained: answers graded as an abstention, and so not right.
        share: proportion of the `n` that is graded right.
        probability: mean probability of "right", where the backend lists it.
        corrected: `share` corrected for the judge's mistakes by `method`; None for the reason `why`.
        self_judged: the judge's own model answered.
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
    """The result of judging a run.

    Args:
        unexamined: by language, the reason why it has no exam.
        gaps: self-preference gap by variant that shares the judge's model; None where it is unknown.
        claims: the same answers claim by claim; empty where claims were not judged.
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
    """Examine the judge in each language, then let it grade every answer in the languages where it is admitted.

    Grades are stored in `folder`/judged, exams in `settings.data_dir`/judges.

    Args:
        claims: judge the claims of the answers too.

    Raises:
        GeneratorUnavailableError: the judge cannot be reached.
    """
    exams, unexamined = run_exams(judge, sorted({p.lang for p in parts}), settings, tick)
    admitted = {lang for lang, exam in exams.items() if exam.admitted}
    own = {p.variant for p in parts if is_own_model(judge, p, settings)}
    admitted_parts = [p for p in parts if p.lang in admitted]
    graded = _grade_parts(judge, admitted_parts, folder, settings, tick)
    grades_of = {(p.variant, p.lang): grades for p, grades in graded}
    gaps = _gaps(own, graded)
    columns = []
    for part in parts:
        grades = grades_of.get((part.variant, part.lang), [])
        why = unexamined.get(part.lang) or exams[part.lang].why
        alone = part.variant in own and gaps.get(part.variant) is None
        columns.append(_column(part, grades, exams.get(part.lang), why or ALONE * alone, folder, part.variant in own))
    barred = [(part, column.why) for part, column in zip(parts, columns, strict=True)]
    by_claim = make_claim_columns(judge, barred, folder, settings, tick) if claims else []
    return Judgement(judge.name, judge.model, exams, unexamined, columns, gaps, by_claim)


def run_exams(
    judge: Judge, langs: Sequence[str], settings: Settings, tick: Tick, questions: int | None = None
) -> tuple[dict[str, ExamResult], dict[str, str]]:
    """Return the exam result by language (of its first `questions`, or all), and why other languages have none."""
    results, missing = {}, {}
    folder = settings.data_dir / "judges"
    for lang in langs:
        try:
            results[lang] = examine(judge, lang, settings.corpora, folder, tick, settings.concurrency, questions)
        except CorpusFormatError as error:
            missing[lang] = str(error)
    return results, missing


def measure_self_preferences(
    judge: Judge, own: set[str], parts: Sequence[VariantAnswers], folder: Path, settings: Settings, tick: Tick
) -> dict[str, Estimate | None]:
    """Measure the gap of each variant in `own` from grades of all parts; nothing is asked where `own` is empty."""
    return _gaps(own, _grade_parts(judge, parts, folder, settings, tick)) if own else {}


def _grade_parts(
    judge: Judge, parts: Sequence[VariantAnswers], folder: Path, settings: Settings, tick: Tick
) -> list[tuple[VariantAnswers, list[Grade]]]:
    graded = []
    for part in parts:
        path = folder / "judged" / f"{file_name(judge.name)}.{file_name(part.variant)}.{part.lang}.jsonl"
        graded.append((part, grade_all(judge, [r.item for r in part.rows], path, tick, settings.concurrency)))
    return graded


def is_own_model(judge: Judge, part: VariantAnswers, settings: Settings) -> bool:
    """Tell whether the judge's model gave these answers."""
    models = sorted({r.prediction.model for r in part.rows})
    return shares_model(judge.name, part.variant, models, settings)


def _gaps(own: set[str], graded: Sequence[tuple[VariantAnswers, Sequence[Grade]]]) -> dict[str, Estimate | None]:
    """Compare each variant of the judge's model with all others."""
    others = _sample_grades([pair for pair in graded if pair[0].variant not in own], False)
    gaps = {}
    for variant in sorted(own):
        of_variant = _sample_grades([pair for pair in graded if pair[0].variant == variant], True)
        gaps[variant] = measure_self_preference([*of_variant, *others])
    return gaps


def _sample_grades(graded: Sequence[tuple[VariantAnswers, Sequence[Grade]]], own: bool) -> list[GradeSample]:
    samples = []
    for part, grades in graded:
        pack = language(part.lang)
        for row, grade in zip(part.rows, grades, strict=True):
            if grade.scored:
                contains = containment(row.item.answer, row.item.references, pack)
                samples.append(GradeSample(row.item.cluster, f"{part.lang}:{contains}", own, grade.graded))
    return samples


def _column(
    part: VariantAnswers, grades: Sequence[Grade], exam: ExamResult | None, why: str, folder: Path, own: bool
) -> Column:
    read = [grade for grade in grades if grade.scored]
    corrected, method = None, ""
    if exam and not why and not read:
        why = next((v.error for v in grades if v.error), "no verdict can be read")
    if exam and not why:
        corrected, method = correct_rate(part, read, exam, read_human_truth(folder, part))
    chances = [v.probability for v in read if v.probability is not None]
    return Column(
        variant=part.variant,
        lang=part.lang,
        n=len(read),
        unscored=len(grades) - len(read),
        abstained=sum(v.label is Label.ABSTAINED for v in read),
        share=sum(v.right for v in read) / len(read) if read and not why else None,
        probability=sum(chances) / len(chances) if chances and not why else None,
        corrected=corrected,
        method=method,
        why=why,
        self_judged=own,
    )


def correct_rate(
    part: VariantAnswers, read: Sequence[Grade], exam: ExamResult, truth: Mapping[str, float]
) -> tuple[Estimate, str]:
    """Return the corrected proportion and the method: a person's labels where there are enough, else the exam."""
    clusters = {r.item.id: r.item.cluster for r in part.rows}
    labelled = [v for v in read if v.id in truth]
    if len(labelled) < LEAST_LABELS:
        judged = [(clusters[v.id], v.right) for v in read]
        return correct_by_exam(judged, exam.right_rows, exam.other_rows), "exam"
    graded = [v.graded for v in labelled]
    rest = [(clusters[v.id], v.graded) for v in read if v.id not in truth]
    return correct_by_labels([(clusters[v.id], truth[v.id]) for v in labelled], graded, rest), f"{len(labelled)} labels"
