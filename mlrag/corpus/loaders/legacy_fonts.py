"""Fonts that show Sinhala, Tamil or another script for Latin letters: their text is converted, or refused.

Converted: Sinhala FM by sinhala-legacy-fonts, Tamil Bamini and Shree-Lipi by tamil-legacy-fonts (the font names and
tables are theirs). Known but refused: families for which we have no table that we could check.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import regex

_SUBSET = regex.compile(r"^[A-Z]{6}\+")
_LATIN_OR_SIGN = regex.compile(r"[\u0021-\u00ff\u0152-\u2122]")
_REFUSED = (  # beginnings of the name (lower case, letters and digits), the language, what converts them
    (("krutidev", "devlys", "walkmanchanakya"), "Hindi", "PyPI: hinlegacy"),
    (("preeti", "kantipur", "sagarmatha"), "Nepali", "PyPI: npttf2utf"),
    (("sutonny", "bijoy"), "Bengali", "PyPI: bijoy2unicode"),
    (("tsc", "tscii", "tab", "tamelango", "vanavil", "shreetam"), "Tamil", "PyPI: open-tamil, txt2unicode"),
    (("dlmanel", "dlaraliya", "kaputa", "thibus"), "Sinhala", "the UCSC real-time Unicode converter"),
)


@dataclass(frozen=True, slots=True)
class LegacyFont:
    """A legacy font by the family's name. `convert` is None for one that is refused; `tool` then converts it."""

    family: str
    convert: Callable[[str], str] | None
    script: str
    tool: str = ""


@cache
def legacy_font(name: str) -> LegacyFont | None:
    """What this font is, by its PDF name ("ABCDEF+FMAbhaya"); None for an ordinary one."""
    from sinhala_legacy_fonts import encoding_for_font as sinhala
    from sinhala_legacy_fonts import sinhala_fm_to_unicode
    from tamil_legacy_fonts import encoding_for_font as tamil
    from tamil_legacy_fonts import tamil_bamini_to_unicode, tamil_shree_to_unicode

    base = _SUBSET.sub("", name)
    if sinhala(base) and base[2:3].isupper():
        return LegacyFont("FM", sinhala_fm_to_unicode, "Sinhala")
    if encoding := tamil(base):
        bamini = encoding == "bamini"
        convert = tamil_bamini_to_unicode if bamini else tamil_shree_to_unicode
        return LegacyFont("Bamini" if bamini else "Shree-Lipi", convert, "Tamil")
    plain = "".join(c for c in base.casefold() if c.isalnum())
    for beginnings, script, tool in _REFUSED:
        if plain.startswith(beginnings):
            return LegacyFont(base, None, script, tool)
    return None


def is_legacy_text(text: str) -> bool:
    """Does it hold signs to convert, and none of a script that already is Unicode?"""
    return bool(_LATIN_OR_SIGN.search(text)) and not regex.search(r"[\u0900-\u0dff]", text)
