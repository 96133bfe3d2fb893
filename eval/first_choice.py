"""langdetect's most probable language, found as langdetect finds it, with its arithmetic in numpy.

The same 3-grams, profiles and draws as `langdetect.detect_langs` with seed 0: seven trials, each drawing grams of the
text until one language has more than 0.99999 of the probability (or 1,001 draws). langdetect multiplies 55 numbers in
Python for each draw; here a window of draws is one product of arrays. A test holds both against each other.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
import regex
from langdetect.detector import Detector
from langdetect.detector_factory import PROFILES_DIRECTORY, DetectorFactory
from langdetect.utils.ngram import NGram
from langdetect.utils.unicode_block import unicode_block
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]

_TRIALS, _DRAWS, _SURE, _SHOWN = 7, 1001, 0.99999, 0.1
_CHECKED = 5  # draws between two looks at the probabilities; the first look comes after one
_WINDOW = 12 * _CHECKED  # more factors at once could leave the range of a float
_WORDS = 32_768  # of the generator: twice what seven trials of 1,001 draws can be expected to use
_BLANKS = regex.compile(" +")
_FAR_LATIN = "Latin Extended Additional"


@dataclass(frozen=True, slots=True)
class Profiles:
    """`shares[places[gram], l]`: how often language `names[l]` has the gram."""

    names: tuple[str, ...]
    places: dict[str, int]
    shares: Floats


@cache
def _profiles() -> Profiles:
    factory = DetectorFactory()
    factory.load_profile(PROFILES_DIRECTORY)
    grams = factory.word_lang_prob_map
    shares = np.empty((len(grams), len(factory.langlist)))
    for row, found in zip(shares, grams.values(), strict=True):
        row[:] = found
    return Profiles(tuple(factory.langlist), {gram: place for place, gram in enumerate(grams)}, shares)


@cache
def _words() -> NDArray[np.uint32]:
    """What the generator yields from seed 0, 32 bits at a time: every draw of `random.Random(0)` is made of these."""
    drawn = random.Random(0)
    return np.array([drawn.getrandbits(32) for _ in range(_WORDS)], np.uint32)


def first_choice(text: str) -> str:
    """langdetect's name of the language ("zh-cn"); "" where it finds no gram or nothing probable."""
    grams = _grams(_cleaned(text))
    if not len(grams):
        return ""
    profiles = _profiles()
    chances = _chances(grams, profiles.shares)
    best = int(chances.argmax())
    return profiles.names[best] if chances[best] > _SHOWN else ""


def _cleaned(text: str) -> str:
    """Addresses and runs of blanks out; Latin letters too where the text is mostly of another script."""
    text = NGram.normalize_vi(Detector.MAIL_RE.sub(" ", Detector.URL_RE.sub(" ", text)))
    text = _BLANKS.sub(" ", text)
    counts = Counter(text)
    latin = sum(n for c, n in counts.items() if "A" <= c <= "z")
    if latin * 2 < sum(n for c, n in counts.items() if _far(c)):
        text = "".join(c for c in text if not "A" <= c <= "z")
    return text


@cache
def _far(character: str) -> bool:
    return character >= "\u0300" and unicode_block(character) != _FAR_LATIN


@cache
def _image(character: str) -> str:
    return str(NGram.normalize(character))


def _grams(text: str) -> Integers:
    """Places of all known grams of the text, in langdetect's order."""
    words = "".join(map(_image, text)).split(" ")
    last = len(words) - 1
    return np.array([p for i, word in enumerate(words) if word for p in _word_grams(word, i < last)], np.intp)


@lru_cache(maxsize=65536)
def _word_grams(word: str, ended: bool) -> tuple[int, ...]:
    """Grams of up to three letters by their last one, an edge counting as a letter; none after two capitals."""
    places = _profiles().places
    edged = f" {word} " if ended else f" {word}"
    found = []
    for end in range(1, len(edged)):
        if edged[end].isupper() and edged[end - 1].isupper():
            continue
        for start in range(end, max(-1, end - 3), -1):
            gram = edged[start : end + 1]
            if gram != " " and gram in places:
                found.append(places[gram])
    return tuple(found)


def _chances(grams: Integers, shares: Floats) -> Floats:
    """The mean over trials of each language's probability."""
    words, at = _words(), 0
    shift = 32 - len(grams).bit_length()
    total, spare = np.zeros(shares.shape[1]), None
    for _ in range(_TRIALS):
        if spare is None:
            spread, spare = _gauss(words[at : at + 4])
            at += 4
        else:
            spread, spare = spare, None
        weight = (Detector.ALPHA_DEFAULT + spread * Detector.ALPHA_WIDTH) / Detector.BASE_FREQ
        chance, used = _trial(grams, shares, weight, words[at:], shift)
        total += chance / _TRIALS
        at += used
    return total


def _gauss(words: NDArray[np.uint32]) -> tuple[float, float]:
    """The two normal numbers that `random.gauss` makes of four words."""
    first, second = ((int(a >> 5) * 67108864.0 + int(b >> 6)) / 9007199254740992.0 for a, b in words.reshape(2, 2))
    turn, radius = first * 2 * math.pi, math.sqrt(-2 * math.log(1 - second))
    return math.cos(turn) * radius, math.sin(turn) * radius


def _trial(grams: Integers, shares: Floats, weight: float, words: NDArray[np.uint32], shift: int) -> tuple[Floats, int]:
    """Each language's probability once one is sure enough, and the words used up by then."""
    chance = np.full((1, shares.shape[1]), 1 / shares.shape[1])
    drawn, used = 0, 0
    while True:
        wanted = _WINDOW if drawn else 1 + _WINDOW
        values = words[used : used + 4 * wanted] >> shift
        places = np.flatnonzero(values < len(grams))[:wanted]
        factors = shares[grams[values[places]]] + weight
        steps = np.multiply.reduce(factors[wanted - _WINDOW :].reshape(-1, _CHECKED, len(shares.T)), axis=1)
        chain = np.concatenate([chance * factors[:1], steps] if not drawn else [chance, steps])
        chain = np.multiply.accumulate(chain)[drawn > 0 :]
        sure = np.flatnonzero(chain.max(1) > _SURE * chain.sum(1))
        first = _CHECKED if drawn else 1  # draws until the first look of this window
        last = min(len(chain) - 1, (_DRAWS - drawn - first) // _CHECKED)
        end = int(sure[0]) if len(sure) and sure[0] < last else last
        taken = first + end * _CHECKED
        chance = chain[end : end + 1] / chain[end].sum()
        drawn, used = drawn + taken, used + int(places[taken - 1]) + 1
        if len(sure) or drawn >= _DRAWS:
            return chance[0], used
