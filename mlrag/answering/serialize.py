"""An Answer as the JSON that programs rely on: names and shapes here are a contract."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any

from mlrag.abstention.features import FEATURES, answerability
from mlrag.generation.extractive import CONFIDENT
from mlrag.types import Answer, Citation, Evidence, Hit, Usage, Vectors

_NAMES = {kind: tuple(f.name for f in fields(kind)) for kind in (Answer, Citation, Usage)}


def wire(answer: Answer, explained: Iterable[Evidence] = ()) -> dict[str, Any]:
    """Return an answer as plain dicts and lists; hits carry the passage's position and the scores of each ranker.

    `explained`: the evidence of each search, which the answer then explains under `explanation`.
    """
    data = _plain(answer)
    data["cached"] = answer.age is not None
    data["citations"] = [_plain(c) for c in answer.citations]
    data["hits"] = wire_hits(answer.hits)
    data["warnings"] = [str(warning) for warning in answer.warnings]
    data["timings"] = dict(answer.timings)
    data["usage"] = _plain(answer.usage)
    searches = [wire_search(evidence) for evidence in explained]
    if searches:
        data["explanation"] = {
            "searches": searches,
            "confidence": answer.confidence,
            "threshold": None if answer.confidence is None else CONFIDENT,
        }
    return data


def _plain(value: Answer | Citation | Usage) -> dict[str, Any]:
    """One level deep: dataclasses.asdict copies every level, which is most of what a reply would cost."""
    return {name: getattr(value, name) for name in _NAMES[type(value)]}


def wire_hits(hits: Iterable[Hit]) -> list[dict[str, Any]]:
    return [
        {
            "passage_id": h.passage.id,
            "doc_id": h.passage.doc_id,
            "lang": h.passage.lang,
            "title": h.passage.title,
            "start": h.passage.start,
            "end": h.passage.end,
            "text": h.passage.text,
            "score": round(h.score, 4),
            "dense": round(h.dense, 4),
            "lexical": round(h.lexical, 4),
        }
        for h in hits
    ]


def wire_search(evidence: Evidence) -> dict[str, Any]:
    """Return one search explained: its hits in the order of each ranker, and the features that decide on abstaining.

    `off_topic_baseline`: the features that off-topic questions get from this index; `above_null`: the difference from
    them. Both are None where the baseline is unknown, the difference also without hits.
    """
    hits, baseline = evidence.hits, evidence.off_topic_baseline
    features = answerability(evidence) if hits else None
    above = None if features is None or baseline is None else features - baseline
    ids = [h.passage.id for h in hits]
    dense = _rank_scores(ids, [h.dense for h in hits])
    lexical = _rank_scores(ids, [h.lexical for h in hits])
    fused = _rank_scores(ids, [h.score for h in hits])
    return {
        "lang": evidence.lang,
        "query": evidence.question,
        "rankers": {"dense": dense, "lexical": lexical, "fused": fused},
        "idf": {token: round(weight, 4) for token, weight in evidence.idf.items()},
        "features": _name_features(features),
        "off_topic_baseline": _name_features(baseline),
        "above_null": _name_features(above),
    }


def _rank_scores(names: Sequence[str], scores: Sequence[float]) -> list[dict[str, Any]]:
    """Return names with their scores, best first."""
    ranked = sorted(zip(names, scores, strict=True), key=lambda item: -item[1])
    return [{"passage_id": name, "score": round(score, 4)} for name, score in ranked]


def _name_features(values: Vectors | None) -> dict[str, float] | None:
    if values is None:
        return None
    return {name: round(float(value), 4) for name, value in zip(FEATURES, values, strict=True)}
