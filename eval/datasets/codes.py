"""Other people's names for languages, to the codes of our packs. Names that no pack answers to give ""."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import regex

from mlrag.languages import languages

FLORES = {
    "arb_Arab": "ar",
    "ben_Beng": "bn",
    "deu_Latn": "de",
    "eng_Latn": "en",
    "spa_Latn": "es",
    "fra_Latn": "fr",
    "hin_Deva": "hi",
    "jpn_Jpan": "ja",
    "kor_Hang": "ko",
    "npi_Deva": "ne",
    "por_Latn": "pt",
    "sin_Sinh": "si",
    "swh_Latn": "sw",
    "tam_Taml": "ta",
    "tur_Latn": "tr",
    "zho_Hans": "zh",
}
_OTHERS = {"zh_cn": "zh", "zh_hans": "zh", "zho_cn": "zh", "es_xx": "es"}


@cache
def _names() -> dict[str, str]:
    names = {pack.name.casefold(): code for code, pack in languages().items()}
    flores = {name.casefold(): code for name, code in FLORES.items() if code in languages()}
    return names | flores | _OTHERS | {code: code for code in languages()}


def pack_code(name: str) -> str:
    """ "sin_Sinh", "Sinhala", "si" -> "si"; "" for a language without a pack."""
    return _names().get(name.strip().replace("-", "_").casefold(), "")


def flores_name(code: str) -> str:
    """ "si" -> "sin_Sinh"; the code itself where there is none."""
    return {ours: theirs for theirs, ours in FLORES.items()}.get(code, code)


def language_of(path: Path) -> str:
    """The language that a file's name tells, else its folder's, else the one above: "" for none.

    The last such word of a name counts: "xquad.ta.json", "Tamil/test.jsonl", "belebele/tam_Taml.jsonl".
    """
    for name in (path.name, path.parent.name, path.parent.parent.name):
        words = regex.findall(r"[\p{L}_]+", name)
        found = [code for word in words for code in (pack_code(word) or pack_code(word.rsplit("_", 1)[-1]),) if code]
        if found:
            return found[-1]
    return ""
