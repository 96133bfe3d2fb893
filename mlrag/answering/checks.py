"""The guard: what an answer must be before a reader sees it. It is not the judge: `eval` scores with other code."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mlrag.answering.citations import QUOTE_NOT_FOUND, attribute, cite
from mlrag.answering.grounding import (
    SUPPORT,
    names_checkable,
    names_without_source,
    numbers_without_source,
    unsupported_sentences,
)
from mlrag.languages import Language
from mlrag.text.detect import in_language
from mlrag.types import Citation, Evidence, Generation, Warning

WRONG_LANGUAGE = "wrong_language"


@dataclass(frozen=True, slots=True)
class Checked:
    """A generation with its citations resolved. `problem` is why a reader must not see it, None for none."""

    generation: Generation
    problem: Warning | None = None
    warnings: tuple[Warning, ...] = ()


def check(generation: Generation, evidence: Evidence, lang: Language) -> Checked:
    """Language, quotes, numbers and names; what cannot be decided in this language is a warning `unverified:…`.

    Text that is copied word for word from its sources needs no check.
    """
    if generation.abstained or generation.verbatim:
        return Checked(generation)
    if not in_language(generation.text, lang):
        return Checked(generation, Warning(WRONG_LANGUAGE))
    text, citations, odd = cite(generation.text, evidence.hits, generation.quotes)
    if not citations and evidence.hits:
        citations = attribute(text, evidence.hits, generation.quotes, SUPPORT)
        odd += (Warning("attributed"),) if citations else ()
    done = replace(generation, text=text, citations=citations)
    if not text:
        return Checked(done, Warning("empty"))
    invented = [w for w in odd if w.code == QUOTE_NOT_FOUND]
    if invented:
        return Checked(done, invented[0])
    if not citations:
        return Checked(done, Warning("uncited"))
    if any(_rests_on_redacted(c, evidence) for c in citations):
        return Checked(done, Warning("redacted_text_cited"))
    cited = {c.passage_id for c in citations}
    sources = [h.shown for h in evidence.hits if h.passage.id in cited]
    if strange := numbers_without_source(text, sources):
        return Checked(done, Warning("numbers_without_source", ",".join(strange)))
    same = evidence.lang == lang.code  # names change their script, words everything, from one language to another
    if same and (strange := names_without_source(text, [*sources, evidence.question], lang)):
        return Checked(done, Warning("names_without_source", ",".join(strange)))
    return Checked(done, None, (*odd, *_list_doubts(text, sources, same, lang)))


def _rests_on_redacted(citation: Citation, evidence: Evidence) -> bool:
    """Does a citation rest on what no generator was shown?"""
    own = (h for h in evidence.hits if h.passage.id == citation.passage_id)
    return any(w.start < citation.end and citation.start < w.end for h in own for w in h.redacted)


def _list_doubts(text: str, sources: list[str], same: bool, lang: Language) -> list[Warning]:
    doubts = [] if same and names_checkable(lang) else [Warning("unverified", "names")]
    doubts.append(Warning("unverified", "sentences"))  # the support of whole sentences is validated in no language yet
    weak = unsupported_sentences(text, sources) if same else []
    return doubts + ([Warning("weak_support", str(len(weak)))] if weak else [])
