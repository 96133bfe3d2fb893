"""Answers without a model: the two sentences that fit best, verbatim, in reading order; or none."""

from __future__ import annotations

from mlrag.abstention.calibration import Calibration
from mlrag.abstention.features import asks_for_another_number
from mlrag.generation.base import Request
from mlrag.generation.sentence_scoring import ScoredSentence, score_sentences
from mlrag.types import Citation, Evidence, Generation, Warning

SENTENCES = 2
CONFIDENT = 0.5  # from here on it answers


class Extractive:
    """The default generator."""

    name = "extractive"

    def __init__(self, calibration: Calibration, sentences: int = SENTENCES) -> None:
        self._calibration = calibration
        self._sentences = sentences

    def generate(self, request: Request) -> Generation:
        evidence = request.evidence
        foreign = evidence.lang != request.lang.code
        if not evidence.sentences:
            return Generation("", self.name, abstained=True, confidence=0.0)
        confidence = self._confidence(evidence, foreign)
        warnings = () if self._calibration.covers(evidence) else (Warning("uncalibrated"),)
        if confidence < CONFIDENT:
            return Generation("", self.name, abstained=True, confidence=confidence, warnings=warnings)
        wants_number = self._calibration.wants_number(evidence.query_vector)
        best = score_sentences(evidence, wants_number)[: self._sentences]
        text, citations = quote(evidence, best)
        request.watch(text)
        return Generation(text, self.name, verbatim=True, citations=citations, confidence=confidence, warnings=warnings)

    def _confidence(self, evidence: Evidence, foreign: bool) -> float:
        if asks_for_another_number(evidence):
            return 0.0
        if foreign:
            return float(self._calibration.crosses(evidence))
        return self._calibration.confidence(evidence)


def quote(evidence: Evidence, chosen: list[ScoredSentence]) -> tuple[str, tuple[Citation, ...]]:
    """The sentences in reading order as one text, each with its citation."""
    ordered = sorted((c.sentence for c in chosen), key=lambda s: (s.hit, s.start))
    parts: list[str] = []
    citations = []
    at = 0
    for s in ordered:
        passage = evidence.hits[s.hit].passage
        citations.append(
            Citation(passage.doc_id, passage.id, s.start, s.end, s.text, passage.lang, at, at + len(s.text))
        )
        parts.append(s.text)
        at += len(s.text) + 1
    return " ".join(parts), tuple(citations)
