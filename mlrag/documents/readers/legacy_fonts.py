"""Fonts that show Sinhala, Tamil or another script for Latin letters: their text is converted, or refused.

Converted: Sinhala FM by pandukabhaya, Tamil Bamini and Shree-Lipi by tamil-legacy-fonts; the tables are theirs, and
`docs/documents.md` says how they were checked. Known but refused: families for which we have no checked table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import regex

_SUBSET = regex.compile(r"^[A-Z]{6}\+")
_FM = regex.compile(r"FM-?[A-Z]")  # FMAbhaya, FMBindumathi, FM-Malithi: one layout
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
    from pandukabhaya import Converter
    from tamil_legacy_fonts import encoding_for_font, tamil_bamini_to_unicode, tamil_shree_to_unicode

    base = _SUBSET.sub("", name)
    if _FM.match(base):
        return LegacyFont("FM", Converter("fm_abhaya").convert, "Sinhala")
    if encoding := encoding_for_font(base):
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
