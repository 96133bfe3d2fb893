"""Do citations point to the right documents, and does every sentence have one?"""

from __future__ import annotations

from collections.abc import Sequence

from eval.types import CitedSpan, Prediction
from mlrag.text.sentences import sentence_spans


def citation_precision(citations: Sequence[CitedSpan], gold_docs: Sequence[str]) -> float | None:
    """Share of the citations whose document is a gold one, in [0, 1]; None without citations or gold documents."""
    if not citations or not gold_docs:
        return None
    return sum(c.doc in gold_docs for c in citations) / len(citations)


def citation_coverage(text: str, citations: Sequence[CitedSpan]) -> float | None:
    """Share of the text's sentences that some citation supports, in [0, 1]; None for a text without sentences."""
    spans = sentence_spans(text)
    covered = [any(max(c.start, s.start) < min(c.end, s.end) for c in citations) for s in spans]
    return sum(covered) / len(covered) if covered else None


def cited_passages(prediction: Prediction) -> tuple[str, ...]:
    """Texts of the passages the row cites; all retrieved ones where it cites none."""
    places = dict.fromkeys(c.passage for c in prediction.citations or ())
    return tuple(prediction.passages[place] for place in places) or prediction.passages
