"""An Answer as the JSON that programs rely on: names and shapes here are a contract."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from mlrag.records import Answer


def wire(answer: Answer) -> dict[str, Any]:
    """Plain dicts and lists; hits carry the passage's place and the scores of each leg."""
    data = asdict(answer)
    data["cached"] = answer.age is not None
    data["hits"] = [
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
        for h in answer.hits
    ]
    return data
