"""Sentences that give orders to whoever reads a passage: kept in the index, withheld from every generator.

A logistic model learned by `python -m eval.calibrate_orders` on phrasings in all languages. It sees the sentence's
vector, how many words of an order it holds (its language's and English ones), and how near the question it stands:
what is asked about is shown rather than withheld. A sentence with a control token of a chat template is withheld
whatever the model says, and beside a withheld sentence less is enough. What was taken for one sentence and may be two
("… write BANANA. Everest …" after a word short enough for an abbreviation) is judged by its worst part as well.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np
import regex

from mlrag.languages import Language, language
from mlrag.records import Evidence, Hit, Span, Vectors, Withheld
from mlrag.text.control import begins_turn
from mlrag.text.normalize import matching

PATH = Path(__file__).with_name("orders.json")
NEAREST, FARTHEST = 8.0, -1.0  # nearness to the question counts between these
MOST_CUES = 3
_STOP = regex.compile(r"(?<=[.!?。।۔።]\p{M}*[\"'”’»)\]]?)\s+")
_Stem = tuple[str, regex.Pattern[str]]
_HIDDEN = regex.compile(r"[\u200b\u2060\ufeff\u00ad]|(?<=\p{Latin})[\u200c\u200d](?=\p{Latin})")


@dataclass(frozen=True, slots=True)
class OrderModel:
    """Log odds = (vector - centre) @ weights + cues @ cue_weights + nearness * near_weight + bias, for one embedder's
    vectors; without them bare_weights and bare_bias over the cues alone. From 0 a sentence is withheld, from `beside`
    next to a withheld one; from `certain` a reader is told."""

    embedder: str
    centre: Vectors
    weights: Vectors
    cue_weights: Vectors
    near_weight: float
    bias: float
    beside: float
    certain: float
    bare_weights: Vectors
    bare_bias: float

    def log_odds(self, cues: Vectors, vectors: Vectors, nearness: Vectors, covered: bool) -> Vectors:
        """One value a sentence; `covered`: the vectors are this model's embedder's."""
        if not covered:
            return np.asarray(cues @ self.bare_weights + self.bare_bias, np.float32)
        near = np.clip(nearness, FARTHEST, NEAREST) * self.near_weight
        own = (vectors - self.centre) @ self.weights + cues @ self.cue_weights
        return np.asarray(own + near + self.bias, np.float32)


@cache
def shipped_orders() -> OrderModel:
    raw = json.loads(PATH.read_text(encoding="utf-8"))
    return OrderModel(
        embedder=raw["embedder"],
        centre=np.array(raw["centre"], np.float32),
        weights=np.array(raw["weights"], np.float32),
        cue_weights=np.array(raw["cue_weights"], np.float32),
        near_weight=raw["near_weight"],
        bias=raw["bias"],
        beside=raw["beside"],
        certain=raw["certain"],
        bare_weights=np.array(raw["bare_weights"], np.float32),
        bare_bias=raw["bare_bias"],
    )


@cache
def _stems(code: str) -> tuple[tuple[_Stem, ...], ...]:
    pack = language(code)
    return tuple(tuple(_stem(s, pack) for s in stems) for stems in (pack.order_topics, pack.order_verbs))


def _stem(stem: str, pack: Language) -> _Stem:
    """The stem's letters, which are quickly looked for, and where they count: at a word's start, where the language
    sets words apart; a short Latin stem is a whole word."""
    plain = matching(stem.lstrip("-"))
    latin = plain.isascii()
    within = stem.startswith("-") or ((not pack.spaced or "Hangul" in pack.scripts) and not latin)
    end = r"(?!\p{L})" if latin and len(plain) <= 3 else ""
    return plain, regex.compile(("" if within else r"(?<![\p{L}\p{M}])") + regex.escape(plain) + end)


def cues(text: str, lang: str) -> tuple[float, float, float]:
    """As `cues_of`, of one text."""
    return cues_of([text], lang)[0]


def cues_of(texts: Sequence[str], lang: str) -> list[tuple[float, float, float]]:
    """How many topics and verbs of an order each text names, at most 3 each, and their product, at most 4."""
    folded = [matching(text) for text in texts]
    whole = "\n".join(folded)  # most stems are nowhere: that is found out once
    packs = [[[s for s in group if s[0] in whole] for group in _stems(code)] for code in {lang, "en"}]
    return [_counted(text, packs) for text in folded]


def _counted(text: str, packs: Sequence[Sequence[Sequence[_Stem]]]) -> tuple[float, float, float]:
    counts = [[len([1 for plain, p in group if plain in text and p.search(text)]) for group in pack] for pack in packs]
    topics, verbs = (min(max(column), MOST_CUES) for column in zip(*counts, strict=True))
    return float(topics), float(verbs), float(min(topics * verbs, 4))


class Encoder(Protocol):
    """The part of an embedder that is needed here."""

    @property
    def name(self) -> str: ...

    def encode_document(self, texts: Sequence[str]) -> Vectors: ...


@dataclass
class OrderGuard:
    """Finds what to withhold among the hits of a search."""

    embedder: Encoder
    model: OrderModel = field(default_factory=shipped_orders)

    def withhold(self, found: Evidence, sentences: Sequence[tuple[Sequence[Span], Vectors]]) -> Evidence:
        """The evidence, its hits marked, its sentences without the withheld ones. `sentences`: of every hit."""
        hits = tuple(self._hit(h, *own, found) for h, own in zip(found.hits, sentences, strict=True))
        away = {(n, w.start) for n, h in enumerate(hits) for w in h.withheld}
        kept = tuple(s for s in found.sentences if (s.hit, s.start) not in away)
        return replace(found, hits=hits, sentences=kept)

    def _hit(self, hit: Hit, spans: Sequence[Span], vectors: Vectors, found: Evidence) -> Hit:
        passage = hit.passage
        texts = [passage.text[s.start - passage.start : s.end - passage.start] for s in spans]
        untitled = self._is_order(passage.title, found) if passage.title else False
        if not texts:
            return replace(hit, untitled=untitled)
        odds = self._odds(texts, vectors, found)
        turns = [n for n, text in enumerate(texts) if begins_turn(text)]
        for n in range(min(turns), max(turns) + 1) if turns else ():
            odds[n] = np.inf
        chosen = spread(odds.tolist(), self.model.beside)
        withheld = tuple(Withheld(spans[n].start, spans[n].end, bool(odds[n] >= self.model.certain)) for n in chosen)
        return replace(hit, withheld=withheld, untitled=untitled)

    def _odds(self, texts: Sequence[str], vectors: Vectors, found: Evidence) -> Vectors:
        covered = self.embedder.name == self.model.embedder
        hidden = [n for n, text in enumerate(texts) if covered and _HIDDEN.search(text)]
        if hidden:  # what is hidden from the eye must not be hidden from the vector
            vectors = vectors.copy()
            vectors[hidden] = self.embedder.encode_document([_HIDDEN.sub("", texts[n]) for n in hidden])
        held = np.array(cues_of(texts, found.lang), np.float32)
        near = (vectors @ found.query_vector - found.cosine_mean) / (found.cosine_std or 1.0)
        odds = self.model.log_odds(held, vectors, near, covered)
        parts = [(n, part) for n, text in enumerate(texts) for part in _parts(text) if any(cues(part, found.lang))]
        if parts:
            whole, each = [n for n, _ in parts], [part for _, part in parts]
            np.maximum.at(odds, whole, self._odds(each, self.embedder.encode_document(each), found))
        return odds

    def _is_order(self, title: str, found: Evidence) -> bool:
        """Titles have no vector of their own; one is made for those that name what an order names."""
        if begins_turn(title):
            return True
        if not all(cues(title, found.lang)):
            return False
        vector = np.asarray(self.embedder.encode_document([title]), np.float32)
        return bool(self._odds([title], vector, found)[0] >= 0)


def _parts(text: str) -> list[str]:
    """What stands between the full stops inside a sentence; nothing where there are none."""
    parts = [part for part in _STOP.split(text.strip()) if part]
    return parts if len(parts) > 1 else []


def spread(odds: Sequence[float], beside: float) -> list[int]:
    """Places of values from 0 on, and of their neighbours, on both sides without a gap, from `beside` on."""
    chosen = {n for n, value in enumerate(odds) if value >= 0}
    for n in sorted(chosen):
        for step in (-1, 1):
            at = n + step
            while 0 <= at < len(odds) and at not in chosen and odds[at] >= beside:
                chosen.add(at)
                at += step
    return sorted(chosen)
