"""Recognise fonts that draw Sinhala, Tamil or another script for Latin letters, and convert their text.

Sinhala FM is converted by pandukabhaya, Tamil Bamini and Shree-Lipi by tamil-legacy-fonts (both MIT; the extra
`legacy-fonts`). `docs/documents.md` says how their tables were checked. Families without a checked table are refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import regex

_SUBSET = regex.compile(r"^[A-Z]{6}\+")
_FM = regex.compile(r"FM-?[A-Z]")  # FMAbhaya, FMBindumathi, FM-Malithi: one layout
_BAMINI = regex.compile(r"Baami|Bamini|Kalaham|Tharmini|Geethapria|NCTsunami|NCEdisan")  # one layout, several foundries
_SHREE_LIPI = regex.compile(r"SHREE-TAM7-(0800|0803|0805|1316)(-SC\d+)?$")  # the variants whose table was checked
_LATIN_OR_SIGN = regex.compile(r"[\u0021-\u00ff\u0152-\u2122]")
_REFUSED = (  # prefixes of the name (lower case, letters and digits), the language, a tool that converts them
    (("krutidev", "devlys", "walkmanchanakya"), "Hindi", "PyPI: hinlegacy"),
    (("preeti", "kantipur", "sagarmatha"), "Nepali", "PyPI: npttf2utf"),
    (("sutonny", "bijoy"), "Bengali", "PyPI: bijoy2unicode"),
    (("tsc", "tscii", "tab", "tamelango", "vanavil", "shreetam"), "Tamil", "PyPI: open-tamil, txt2unicode"),
    (("dlmanel", "dlaraliya", "kaputa", "thibus"), "Sinhala", "the UCSC real-time Unicode converter"),
)


_INSTALL = "install its converter: pip install 'mlrag[legacy-fonts]'"


@dataclass(frozen=True, slots=True)
class LegacyFont:
    """A legacy font. `convert` is None for one that cannot be converted; `fix` then says what to do."""

    family: str
    script: str
    convert: Callable[[str], str] | None
    fix: str = ""


@cache
def find_legacy_font(name: str) -> LegacyFont | None:
    """Return the legacy font with this PDF name ("ABCDEF+FMAbhaya"); None for an ordinary font."""
    base = _SUBSET.sub("", name)
    for pattern, family, script, load in _CONVERTED:
        if pattern.match(base):
            try:
                return LegacyFont(family, script, load())
            except ModuleNotFoundError:
                return LegacyFont(family, script, None, _INSTALL)
    plain = "".join(c for c in base.casefold() if c.isalnum())
    for prefixes, script, tool in _REFUSED:
        if plain.startswith(prefixes):
            return LegacyFont(base, script, None, f"convert it first, with {tool}")
    return None


def _load_fm() -> Callable[[str], str]:
    from pandukabhaya import Converter

    convert: Callable[[str], str] = Converter("fm_abhaya").convert
    return convert


def _load_bamini() -> Callable[[str], str]:
    from tamil_legacy_fonts import tamil_bamini_to_unicode as convert

    return convert  # type: ignore[no-any-return]


def _load_shree_lipi() -> Callable[[str], str]:
    from tamil_legacy_fonts import tamil_shree_to_unicode as convert

    return convert  # type: ignore[no-any-return]


_CONVERTED = (
    (_FM, "FM", "Sinhala", _load_fm),
    (_BAMINI, "Bamini", "Tamil", _load_bamini),
    (_SHREE_LIPI, "Shree-Lipi", "Tamil", _load_shree_lipi),
)


def is_legacy_text(text: str) -> bool:
    """Return whether the text has signs to convert and none of an Indic script, which already is Unicode."""
    return bool(_LATIN_OR_SIGN.search(text)) and not regex.search(r"[\u0900-\u0dff]", text)
