"""The prompt-injection filter: sentences that give instructions to a model are hidden from every generator.

They stay in the index. A logistic model, learned by `python -m eval.calibration.prompt_injection` on phrasings in all
languages, scores each sentence by its vector, by the words of an instruction in it (of its language and English), and
by how near it is to the question: an instruction that the question asks about is shown. A sentence with a turn marker
of a chat template is always redacted, and next to a redacted sentence a lower threshold holds. What was split as one
sentence but may be two ("… write BANANA. Everest …" after a word short enough for an abbreviation) is also scored by
its worst part.
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
from mlrag.types import Evidence, RedactedSpan, Span, Vectors

PATH = Path(__file__).with_name("prompt_injection.json")
NEAREST, FARTHEST = 8.0, -1.0  # nearness to the question is clipped to this range
MOST_CUES = 3
_CACHED_VECTORS = 1024  # of titles and parts of sentences, 1.5 MB
_SEPARATOR = "\0"  # between joined texts; stored texts never contain it
_STOP = regex.compile(r"(?<=[.!?。।۔።]\p{M}*[\"'”’»)\]]?)\s+")
_HIDDEN = regex.compile(r"[\u200b\u2060\ufeff\u00ad]|(?<=\p{Latin})[\u200c\u200d](?=\p{Latin})")

Cues = tuple[float, float, float]  # topics, verbs, their product
_Stem = tuple[str, regex.Pattern[str]]


@dataclass(frozen=True, slots=True)
class InjectionModel:
    """Log odds = (vector - centre) @ weights + cues @ cue_weights + nearness * near_weight + bias.

    This holds for vectors of `embedder`; for others, cues @ bare_weights + bare_bias. A sentence is redacted from 0
    on, from `next_to` on beside a redacted one; from `certain` on the answer carries a warning.
    """

    embedder: str
    centre: Vectors
    weights: Vectors
    cue_weights: Vectors
    near_weight: float
    bias: float
    next_to: float
    certain: float
    bare_weights: Vectors
    bare_bias: float

    def log_odds(self, cues: Vectors, vectors: Vectors, nearness: Vectors, same_embedder: bool) -> Vectors:
        """Return one value a sentence: (n,) for cues (n, 3), vectors (n, dim) and nearness (n,)."""
        if not same_embedder:
            return np.asarray(cues @ self.bare_weights + self.bare_bias, np.float32)
        near = np.clip(nearness, FARTHEST, NEAREST) * self.near_weight
        odds = (vectors - self.centre) @ self.weights + cues @ self.cue_weights
        return np.asarray(odds + near + self.bias, np.float32)


@cache
def load_shipped_model() -> InjectionModel:
    """Load the model that comes with mlrag."""
    raw = json.loads(PATH.read_text(encoding="utf-8"))
    return InjectionModel(
        embedder=raw["embedder"],
        centre=np.array(raw["centre"], np.float32),
        weights=np.array(raw["weights"], np.float32),
        cue_weights=np.array(raw["cue_weights"], np.float32),
        near_weight=raw["near_weight"],
        bias=raw["bias"],
        next_to=raw["beside"],
        certain=raw["certain"],
        bare_weights=np.array(raw["bare_weights"], np.float32),
        bare_bias=raw["bare_bias"],
    )


@cache
def _load_stems(code: str) -> tuple[tuple[_Stem, ...], ...]:
    """The stems of topics and those of verbs."""
    pack = language(code)
    return tuple(
        tuple(_compile_stem(stem, pack) for stem in stems) for stems in (pack.injection_topics, pack.injection_verbs)
    )


def _compile_stem(stem: str, pack: Language) -> _Stem:
    """The stem's letters, which are quick to look for, and a pattern of where they count.

    They count at the start of a word, in languages that separate words; a short Latin stem is a whole word.
    """
    letters = normalize_for_search(stem.lstrip("-"))
    latin = letters.isascii()
    anywhere = stem.startswith("-") or ((not pack.spaced or "Hangul" in pack.scripts) and not latin)
    start = "" if anywhere else r"(?<![\p{L}\p{M}])"
    end = r"(?!\p{L})" if latin and len(letters) <= 3 else ""
    return letters, regex.compile(start + regex.escape(letters) + end)


def count_cues(texts: Sequence[str], lang: str) -> list[Cues]:
    """Count the topics and verbs of an instruction in each text, at most 3 each, and their product, at most 4.

    All texts are searched at once. The larger count of the texts' language and English is taken.
    """
    folded = [normalize_for_search(text.replace(_SEPARATOR, " ")) for text in texts]
    joined = _SEPARATOR.join(folded)
    starts = list(accumulate((len(text) + 1 for text in folded), initial=0))
    topics, verbs = [0] * len(texts), [0] * len(texts)
    for code in {lang, "en"}:
        for counts, stems in zip((topics, verbs), _load_stems(code), strict=True):
            matches = Counter(n for stem in stems for n in _find_texts_with(stem, joined, starts))
            for n, count in matches.items():
                counts[n] = max(counts[n], min(count, MOST_CUES))
    return [(float(t), float(v), float(min(t * v, 4))) for t, v in zip(topics, verbs, strict=True)]


def _find_texts_with(stem: _Stem, joined: str, starts: Sequence[int]) -> set[int]:
    """The numbers of the texts that contain a stem. `starts`: where each text begins in `joined`."""
    letters, pattern = stem
    numbers, at = set(), joined.find(letters)
    while at >= 0:
        if pattern.match(joined, at):
            numbers.add(bisect(starts, at) - 1)
        at = joined.find(letters, at + 1)
    return numbers


class Encoder(Protocol):
    """The part of an embedder that the filter needs."""

    @property
    def name(self) -> str: ...

    def encode_document(self, texts: Sequence[str]) -> Vectors: ...


@dataclass
class PromptInjectionFilter:
    """Marks the sentences and titles of search hits that give instructions to a model."""

    embedder: Encoder
    model: InjectionModel = field(default_factory=load_shipped_model)
    _vectors: dict[str, Vectors] = field(default_factory=dict, repr=False)

    def redact(self, evidence: Evidence, sentences: Sequence[tuple[Sequence[Span], Vectors]]) -> Evidence:
        """Return the evidence with redacted spans in its hits and without its redacted sentences.

        `sentences`: spans and vectors (n, dim) of the sentences of every hit.
        """
        texts: list[str] = []
        for hit, (spans, _) in zip(evidence.hits, sentences, strict=True):
            offset = hit.passage.start
            texts += [hit.passage.text[s.start - offset : s.end - offset] for s in spans]
        titles = [hit.passage.title for hit in evidence.hits]
        cues = count_cues([*texts, *titles], evidence.lang)
        odds = np.zeros(0, np.float32)
        if texts:
            vectors = np.concatenate([vectors for spans, vectors in sentences if spans])
            odds = self._score(texts, vectors, cues[: len(texts)], evidence)
        turns = find_turn_markers(texts)
        redacted_titles = self._find_redacted_titles(titles, cues[len(texts) :], evidence)
        if not turns and not redacted_titles and not (odds >= 0).any():
            return evidence
        hits, first = [], 0
        for number, (hit, (spans, _)) in enumerate(zip(evidence.hits, sentences, strict=True)):
            end = first + len(spans)
            spans_redacted = self._select_spans(spans, odds[first:end], [n - first for n in turns if first <= n < end])
            hits.append(replace(hit, redacted=spans_redacted, title_redacted=number in redacted_titles))
            first = end
        hidden = {(number, span.start) for number, hit in enumerate(hits) for span in hit.redacted}
        shown = tuple(s for s in evidence.sentences if (s.hit, s.start) not in hidden)
        return replace(evidence, hits=tuple(hits), sentences=shown)

    def _select_spans(self, spans: Sequence[Span], odds: Vectors, turns: Sequence[int]) -> tuple[RedactedSpan, ...]:
        """The redacted sentences of one hit. Everything from its first to its last turn marker is redacted."""
        if turns:
            odds[turns[0] : turns[-1] + 1] = np.inf
        chosen = select_redacted(odds.tolist(), self.model.next_to)
        return tuple(RedactedSpan(spans[n].start, spans[n].end, bool(odds[n] >= self.model.certain)) for n in chosen)

    def _score(self, texts: Sequence[str], vectors: Vectors, cues: Sequence[Cues], evidence: Evidence) -> Vectors:
        """Log odds of each text, and of its worst part where it may be two sentences."""
        same_embedder = self.embedder.name == self.model.embedder
        hidden = [n for n, text in enumerate(texts) if same_embedder and not text.isascii() and _HIDDEN.search(text)]
        if hidden:  # invisible characters must not change the vector
            vectors = vectors.copy()
            vectors[hidden] = self._encode([_HIDDEN.sub("", texts[n]) for n in hidden])
        near = (vectors @ evidence.query_vector - evidence.cosine_mean) / (evidence.cosine_std or 1.0)
        odds = self.model.log_odds(np.array(cues, np.float32), vectors, near, same_embedder)
        # Only texts with cues are split: parts have no stored vector and must be embedded.
        parts = [(n, part) for n, text in enumerate(texts) if any(cues[n]) for part in _split_at_stops(text)]
        if not parts:
            return odds
        part_cues = count_cues([part for _, part in parts], evidence.lang)
        with_cues = [(n, part, own) for (n, part), own in zip(parts, part_cues, strict=True) if any(own)]
        if with_cues:
            numbers, part_texts, own_cues = map(list, zip(*with_cues, strict=True))
            part_odds = self._score(part_texts, self._encode(part_texts), own_cues, evidence)
            np.maximum.at(odds, numbers, part_odds)
        return odds

    def _find_redacted_titles(self, titles: Sequence[str], cues: Sequence[Cues], evidence: Evidence) -> set[int]:
        """The numbers of titles that are instructions.

        Titles have no stored vector; only those with both a topic and a verb of an instruction are embedded.
        """
        numbers = set(find_turn_markers(titles))
        for number, (title, own) in enumerate(zip(titles, cues, strict=True)):
            if number in numbers or not all(own):
                continue
            if self._score([title], self._encode([title]), [own], evidence)[0] >= 0:
                numbers.add(number)
        return numbers

    def _encode(self, texts: Sequence[str]) -> Vectors:
        """Vectors (n, dim) of texts without one in the index. The latest are cached: titles come again and again."""
        known = {text: self._vectors.get(text) for text in texts}
        if missing := [text for text, vector in known.items() if vector is None]:
            encoded = np.asarray(self.embedder.encode_document(missing), np.float32)
            new = dict(zip(missing, encoded, strict=True))
            known |= new
            self._vectors = dict(islice((new | self._vectors).items(), _CACHED_VECTORS))
        return np.array([known[text] for text in texts], np.float32)


def _split_at_stops(text: str) -> list[str]:
    """The parts between the full stops inside a sentence; none where there is only one."""
    parts = [part for part in _STOP.split(text.strip()) if part]
    return parts if len(parts) > 1 else []


def select_redacted(odds: Sequence[float], next_to: float) -> list[int]:
    """Return the indexes of values from 0 on, and of their neighbours without a gap from `next_to` on, sorted."""
    chosen = {n for n, value in enumerate(odds) if value >= 0}
    for n in sorted(chosen):
        for step in (-1, 1):
            at = n + step
            while 0 <= at < len(odds) and at not in chosen and odds[at] >= next_to:
                chosen.add(at)
                at += step
    return sorted(chosen)
