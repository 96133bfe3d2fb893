"""Scripted stand-ins that answer badly on purpose, and two honest ones to be ranked above them. Not models.

They know the answers, and see from the hits whether a question can be answered (is a gold document among them?).
`tests/eval/baselines/test_degenerate.py` holds the summary score to ranking each below the noisy honest one.
"""

from __future__ import annotations

import regex

from eval.baselines.scripted import AnswerKey, AnswerKeys, Reply, Scripted
from eval.types import Example
from mlrag.text.sentences import sentence_spans
from mlrag.types import Hit

RIGHT, SILENT = 0.7, 0.8  # the noisy honest answerer: right so often, silent so often where it should be
COIN = 0.5

Hits = tuple[Hit, ...]


def _silent(_keys: AnswerKeys, _key: AnswerKey, _example: Example, _hits: Hits) -> None:
    """Abstains."""


def _cite(sentence: str, hits: Hits) -> str:
    """The sentence with the mark of the hit that holds it, of the first where none does."""
    holding = (n for n, h in enumerate(hits, 1) if sentence in h.passage.text)
    return f"{sentence} [{next(holding, 1)}]"


def _honest(_keys: AnswerKeys, key: AnswerKey, example: Example, hits: Hits) -> str:
    return _cite(key.answering[example.id], hits)


def _mistaken(_keys: AnswerKeys, key: AnswerKey, example: Example, hits: Hits) -> str:
    return _cite(key.wrong_sentence(example), hits)


def _copies_passage(_keys: AnswerKeys, _key: AnswerKey, _example: Example, hits: Hits) -> str:
    return f"{hits[0].passage.text} [1]"


def _copies_everything(_keys: AnswerKeys, _key: AnswerKey, _example: Example, hits: Hits) -> str:
    return " ".join(f"{h.passage.text} [{n}]" for n, h in enumerate(hits, 1))


def _first_sentence(_keys: AnswerKeys, _key: AnswerKey, _example: Example, hits: Hits) -> str:
    span = sentence_spans(hits[0].passage.text)[0]
    return f"{hits[0].passage.text[span.start : span.end]} [1]"


def _echoes(_keys: AnswerKeys, _key: AnswerKey, example: Example, _hits: Hits) -> str:
    return f"{example.question} [1]"


def _empty(*_: object) -> str:
    return ""


def _signs(*_: object) -> str:
    return "… [1] [2]"


def _says_yes(*_: object) -> str:
    return "Yes, answer is present."


def _in(code: str, keys: AnswerKeys, example: Example, hits: Hits) -> str:
    """The same question's honest sentence in another language, citing as if it stood there."""
    return _cite(keys[code].answering[example.id], hits)


def _another_language(keys: AnswerKeys, key: AnswerKey, example: Example, hits: Hits) -> str:
    codes = list(keys)
    return _in(codes[(codes.index(key.lang.code) + 1) % len(codes)], keys, example, hits)


def _english(keys: AnswerKeys, key: AnswerKey, example: Example, hits: Hits) -> str:
    """English; in English, where that is no fault, German."""
    return _in("de" if key.lang.code == "en" else "en", keys, example, hits)


def _every_language(keys: AnswerKeys, _key: AnswerKey, example: Example, hits: Hits) -> str:
    return " ".join(_in(code, keys, example, hits) for code in keys)


def _wrong_digit(_keys: AnswerKeys, key: AnswerKey, example: Example, hits: Hits) -> str:
    """Every number of the honest sentence with another last digit; a number from nowhere where it has none."""
    right = key.answering[example.id]
    wrong = regex.sub(r"\p{Nd}(?!\p{Nd})", lambda m: str((int(m.group()) + 3) % 10), right)
    return _cite(right, hits).replace(right, wrong if wrong != right else f"{right} (1234567)")


def _wrong_name(_keys: AnswerKeys, key: AnswerKey, example: Example, hits: Hits) -> str:
    """The honest sentence with another question's answer in the place of its own."""
    right = key.answering[example.id]
    wrong = right
    for answer in example.answers:
        wrong = regex.sub(regex.escape(answer), key.other(example).answers[0], wrong, flags=regex.IGNORECASE)
    return _cite(right, hits).replace(right, wrong)


def _other_answer(_keys: AnswerKeys, key: AnswerKey, example: Example, hits: Hits) -> str:
    return _cite(key.answering[key.other(example).id], hits)


def _endless(_keys: AnswerKeys, key: AnswerKey, example: Example, hits: Hits) -> str:
    return " ".join([_cite(key.answering[example.id], hits)] * 15)


def _cites_everything(_keys: AnswerKeys, key: AnswerKey, example: Example, hits: Hits) -> str:
    return f"{key.answering[example.id]} [{','.join(str(n) for n in range(1, len(hits) + 1))}]"


def _every_candidate(_keys: AnswerKeys, key: AnswerKey, _example: Example, _hits: Hits) -> str:
    return ", ".join(e.answers[0] for e in key.answerable) + " [1]"


def _pads(_keys: AnswerKeys, key: AnswerKey, example: Example, hits: Hits) -> str:
    """The honest sentence, then three of another topic without a citation."""
    strange = list(key.sentences(key.other(example).gold_docs))[:3]
    return " ".join([_honest(_keys, key, example, hits), *strange])


DEGENERATE_REPLIES: dict[str, Reply] = {
    "copies_passage": _copies_passage,
    "copies_everything": _copies_everything,
    "first_sentence": _first_sentence,
    "echoes_question": _echoes,
    "empty": _empty,
    "only_signs": _signs,
    "says_yes": _says_yes,
    "another_language": _another_language,
    "english": _english,
    "every_language": _every_language,
    "wrong_digit": _wrong_digit,
    "wrong_name": _wrong_name,
    "other_answer": _other_answer,
    "endless": _endless,
    "cites_everything": _cites_everything,
    "every_candidate": _every_candidate,
    "pads_with_other_facts": _pads,
}


# Scripts that bend the right answer have none to bend where there is none: they give a wrong sentence there.
BENDS_ANSWER = frozenset(
    {"another_language", "english", "every_language", "wrong_digit", "wrong_name", "endless", "cites_everything"}
    | {"pads_with_other_facts"}
)


def degenerate_baselines(keys: AnswerKeys, lang: str, silent: bool) -> dict[str, Scripted]:
    """Every adversary of one language by its script's name.

    `silent`: abstaining exactly where it is due, so that only the replies can give them away; else answering always.
    """
    found = {
        "always_abstains": Scripted("always_abstains", keys, lang, _silent, _silent),
        "always_answers": Scripted("always_answers", keys, lang, _honest, _mistaken),
        "abstains_by_coin": _mix_outcomes("abstains_by_coin", keys, lang, COIN, _silent, COIN),
    }
    for script, reply in DEGENERATE_REPLIES.items():
        lost: Reply = _silent if silent else _mistaken if script in BENDS_ANSWER else reply
        found[script] = Scripted(script, keys, lang, reply, lost)
    return found


def honest(keys: AnswerKeys, lang: str) -> Scripted:
    """Always right in one cited sentence, always silent where it should be."""
    return Scripted("honest", keys, lang, _honest, _silent)


def noisy_honest(keys: AnswerKeys, lang: str) -> Scripted:
    """Honest, but wrong in 30 of 100 answers, and answering 20 of 100 questions it should not."""
    return _mix_outcomes("noisy_honest", keys, lang, RIGHT, _mistaken, SILENT)


def _mix_outcomes(script: str, keys: AnswerKeys, lang: str, right: float, otherwise: Reply, silent: float) -> Scripted:
    """Right in exactly this share of the answerable questions, silent in exactly this share of each other kind."""
    key = keys[lang]
    answered = key.chosen(True, right)
    skipped = key.chosen(True, silent) | key.chosen(False, silent)

    def reply(keys: AnswerKeys, key: AnswerKey, example: Example, hits: Hits) -> str | None:
        return (_honest if example.question in answered else otherwise)(keys, key, example, hits)

    def lost(keys: AnswerKeys, key: AnswerKey, example: Example, hits: Hits) -> str | None:
        return (_silent if example.question in skipped else _mistaken)(keys, key, example, hits)

    return Scripted(script, keys, lang, reply, lost)
