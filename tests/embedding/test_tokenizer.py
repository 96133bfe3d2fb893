"""The tokenizer gives the ids of the reference library, in every script."""

from __future__ import annotations

import random

import pytest

from mlrag.embedding.e5.tokenizer import Tokenizer
from mlrag.embedding.e5.weights import Weights, weights_path

WRITTEN = [
    "",
    " ",
    " a  b ",
    "query: How long is the Nile?",
    "நைல் நதி எவ்வளவு நீளம்?",
    "ශ්‍රී ලංකාවේ අගනුවර",
    "長江有多長？",
    "كم طول نهر النيل؟",
    "\u2581\u2581a \u2581 b",
    "<s> </s> <unk> <mask>",
    "\0\x01 \u202eabc\u202c \u200b\ufeff",
    "😀👨‍👩‍👧‍👦 𓀀𓀁 𒀀",
    "a" * 2000,
]
RANGES = [(0x20, 0x250), (0x590, 0x700), (0x900, 0xE00), (0x4E00, 0x9FFF), (0x1F300, 0x1F9FF), (0xE000, 0x110000)]


def test_ids_equal_those_of_the_tokenizers_library() -> None:
    reference = pytest.importorskip("tokenizers", reason="pip install tokenizers")
    weights = Weights(weights_path())
    scores = weights.scores.tolist()
    ours = Tokenizer(weights.pieces, scores, weights.unknown)
    vocabulary = list(zip(weights.pieces, scores, strict=True))
    theirs = reference.Tokenizer(reference.models.Unigram(vocabulary, weights.unknown, False))
    theirs.pre_tokenizer = reference.pre_tokenizers.Split("\u2581", "merged_with_next")
    rng = random.Random(7)
    texts = list(WRITTEN)
    for _ in range(400):
        low, high = rng.choice(RANGES)
        text = "".join(chr(rng.choice([rng.randrange(low, high), rng.randrange(low, high), 32])) for _ in range(40))
        texts.append(text)
    for text in texts:
        expected = theirs.encode("\u2581" + text.replace(" ", "\u2581"), add_special_tokens=False).ids
        assert ours(text) == expected, repr(text)
