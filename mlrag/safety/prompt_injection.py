"""Sentences that give orders to whoever reads a passage: kept in the index, withheld from every generator.

A logistic model learned by `python -m eval.calibration.prompt_injection` on phrasings in all languages. It sees the
sentence's vector, how many words of an order it holds (its language's and English ones), and how near the question it
stands: what is asked about is shown rather than withheld. A sentence with a control token of a chat template is
withheld whatever the model says, and beside a withheld sentence less is enough. What was taken for one sentence and
may be two ("… write BANANA. Everest …" after a word short enough for an abbreviation) is judged by its worst part as
well.
"""

from __future__ import annotations

import json
from bisect import bisect
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import accumulate, islice
from pathlib import Path
from typing import Protocol

import numpy as np
import regex

from mlrag.languages import Language, language
from mlrag.text.normalize import normalize_for_search
from mlrag.text.special_tokens import find_turn_markers
from mlrag.types import Evidence, Hit, Span, Vectors, Withheld

PATH = Path(__file__).with_name("prompt_injection.json")
NEAREST, FARTHEST = 8.0, -1.0  # nearness to the question counts between these
MOST_CUES = 3
KEPT = 1024  # vectors of titles and parts of sentences, 1.5 MB
_EDGE = "\0"  # between texts; stored ones hold none
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
        near = np.minimum(np.maximum(nearness, FARTHEST), NEAREST) * self.near_weight
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
    plain = normalize_for_search(stem.lstrip("-"))
    latin = plain.isascii()
    within = stem.startswith("-") or ((not pack.spaced or "Hangul" in pack.scripts) and not latin)
    end = r"(?!\p{L})" if latin and len(plain) <= 3 else ""
    return plain, regex.compile(("" if within else r"(?<![\p{L}\p{M}])") + regex.escape(plain) + end)


def cues(text: str, lang: str) -> tuple[float, float, float]:
    """As `cues_of`, of one text."""
    return cues_of([text], lang)[0]


def cues_of(texts: Sequence[str], lang: str) -> list[tuple[float, float, float]]:
    """How many topics and verbs of an order each text names, at most 3 each, and their product, at most 4."""
    folded = [normalize_for_search(text.replace(_EDGE, " ")) for text in texts]
    whole, starts = _EDGE.join(folded), list(accumulate((len(text) + 1 for text in folded), initial=0))
    most = [[0] * len(texts), [0] * len(texts)]
    for code in {lang, "en"}:
        for named, stems in zip(most, _stems(code), strict=True):
            for n, count in Counter(n for stem in stems for n in _holding(stem, whole, starts)).items():
                named[n] = max(named[n], min(count, MOST_CUES))
    return [(float(topics), float(verbs), float(min(topics * verbs, 4))) for topics, verbs in zip(*most, strict=True)]


def _holding(stem: _Stem, whole: str, starts: Sequence[int]) -> set[int]:
    """The numbers of the texts that hold a stem, of a row of texts that begin at these places of `whole`."""
    plain, pattern = stem
    found, at = set(), whole.find(plain)
    while at >= 0:
        if pattern.match(whole, at):
            found.add(bisect(starts, at) - 1)
        at = whole.find(plain, at + 1)
    return found


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
    _kept: dict[str, Vectors] = field(default_factory=dict, repr=False)

    def withhold(self, found: Evidence, sentences: Sequence[tuple[Sequence[Span], Vectors]]) -> Evidence:
        """The evidence, its hits marked, its sentences without the withheld ones. `sentences`: of every hit."""
        texts = [_texts(hit, spans) for hit, (spans, _) in zip(found.hits, sentences, strict=True)]
        every = [text for own in texts for text in own]
        titles = [hit.passage.title for hit in found.hits]
        held = cues_of([*every, *titles], found.lang)
        odds = np.zeros(0, np.float32)
        if every:
            vectors = np.concatenate([vectors for spans, vectors in sentences if spans])
            odds = self._odds(every, vectors, held[: len(every)], found)
        turns = find_turn_markers(every)
        speaking = find_turn_markers(titles)
        untitled = [n in speaking or self._is_order(t, held[len(every) + n], found) for n, t in enumerate(titles)]
        if not turns and not any(untitled) and not (odds >= 0).any():
            return found
        hits, at = [], 0
        for hit, (spans, _), order in zip(found.hits, sentences, untitled, strict=True):
            own = odds[at : at + len(spans)]
            withheld = self._withheld(spans, own, [n - at for n in turns if at <= n < at + len(spans)])
            hits.append(replace(hit, withheld=withheld, untitled=order))
            at += len(spans)
        away = {(n, w.start) for n, h in enumerate(hits) for w in h.withheld}
        kept = tuple(s for s in found.sentences if (s.hit, s.start) not in away)
        return replace(found, hits=tuple(hits), sentences=kept)

    def _withheld(self, spans: Sequence[Span], odds: Vectors, turns: Sequence[int]) -> tuple[Withheld, ...]:
        for n in range(turns[0], turns[-1] + 1) if turns else ():
            odds[n] = np.inf
        chosen = spread(odds.tolist(), self.model.beside)
        return tuple(Withheld(spans[n].start, spans[n].end, bool(odds[n] >= self.model.certain)) for n in chosen)

    def _odds(
        self, texts: Sequence[str], vectors: Vectors, held: Sequence[tuple[float, float, float]], found: Evidence
    ) -> Vectors:
        """One value a text; `held` are its cues."""
        covered = self.embedder.name == self.model.embedder
        hidden = [n for n, text in enumerate(texts) if covered and not text.isascii() and _HIDDEN.search(text)]
        if hidden:  # what is hidden from the eye must not be hidden from the vector
            vectors = vectors.copy()
            vectors[hidden] = self._encoded([_HIDDEN.sub("", texts[n]) for n in hidden])
        near = (vectors @ found.query_vector - found.cosine_mean) / (found.cosine_std or 1.0)
        odds = self.model.log_odds(np.array(held, np.float32), vectors, near, covered)
        if parts := [(n, part) for n, text in enumerate(texts) if any(held[n]) for part in _parts(text)]:
            own = cues_of([part for _, part in parts], found.lang)
            cued = [(*part, cues) for part, cues in zip(parts, own, strict=True) if any(cues)]
            if cued:
                whole, each, own = map(list, zip(*cued, strict=True))
                np.maximum.at(odds, whole, self._odds(each, self._encoded(each), own, found))
        return odds

    def _is_order(self, title: str, held: tuple[float, float, float], found: Evidence) -> bool:
        """Titles have no vector of their own; one is made for those that name what an order names."""
        return all(held) and bool(self._odds([title], self._encoded([title]), [held], found)[0] >= 0)

    def _encoded(self, texts: Sequence[str]) -> Vectors:
        """Vectors of what has none in the index, (n, dim). The latest are kept: titles come again and again."""
        known = {text: self._kept.get(text) for text in texts}
        if new := [text for text, vector in known.items() if vector is None]:
            made = dict(zip(new, np.asarray(self.embedder.encode_document(new), np.float32), strict=True))
            known |= made
            self._kept = dict(islice((made | self._kept).items(), KEPT))
        return np.array([known[text] for text in texts], np.float32)


def _texts(hit: Hit, spans: Sequence[Span]) -> list[str]:
    text, first = hit.passage.text, hit.passage.start
    return [text[s.start - first : s.end - first] for s in spans]


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
