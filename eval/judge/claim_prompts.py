"""What a judge is asked of claims: to split a text into them, and which of them another text entails. As in `prompts`,
the question is put in English, the texts stand behind a sign, and the verdicts are closed."""

from __future__ import annotations

import json
from collections.abc import Sequence

import regex

from eval.judge.prompts import MATERIAL, part
from mlrag.generation.backends.base import Turn
from mlrag.generation.prompts import MARK
from mlrag.languages import language

VERSION = "1"  # raise it when what stands here changes: claims of before are then asked anew
ENTAILED, NOT_ENTAILED = "entailed", "not_entailed"
MOST = 20  # claims of one text; a judge that finds more repeats itself
_SAYS = regex.compile(r"[\p{L}\p{N}]")
_SPLIT = (
    "You split one answer to a question into its claims. A claim is one short sentence in {lang} that says one thing "
    "and can be understood without the question and the other claims: put into it what the answer leaves to the "
    "question. Keep names, numbers and dates as they stand. Add nothing that the answer does not say, leave nothing "
    "out, correct nothing. An answer that says nothing has no claims."
)
_CHECK = (
    "You check claims against one text. Give one of two verdicts on each claim.\n"
    "entailed: the text says it, in the same or other words, or it follows from the text and nothing else. Several "
    "lines of references are forms of one answer to the question: any of them counts.\n"
    "not_entailed: anything else, be it one digit or one name off; also what is true, but not in the text."
)
CLAIMS_SCHEMA = {
    "type": "object",
    "properties": {"claims": {"type": "array", "items": {"type": "string"}, "maxItems": MOST}},
    "required": ["claims"],
    "additionalProperties": False,
}


def splitting(lang: str, question: str, answer: str) -> tuple[Turn, ...]:
    """Asks for {"claims": […]}."""
    user = [part("Question", question), part("Answer", answer), 'Reply with JSON: {"claims": ["…", …]}']
    return _turns(_SPLIT, lang, user)


def checking(lang: str, question: str, title: str, text: str, claims: Sequence[str]) -> tuple[Turn, ...]:
    """Asks for {"1": …, "2": …}, a verdict for each claim by its number. `title` says what the text is."""
    shown = [part(f"Claim {n}", claim) for n, claim in enumerate(claims, 1)]
    form = f'Reply with JSON: {{"1": …}}, a verdict for each claim, {ENTAILED} or {NOT_ENTAILED}'
    return _turns(_CHECK, lang, [part("Question", question), part(title, text), *shown, form])


def _turns(task: str, lang: str, user: Sequence[str]) -> tuple[Turn, ...]:
    name = language(lang).name
    system = "\n\n".join([task, MATERIAL]).replace("{lang}", name)
    return Turn("system", system), Turn("user", "\n\n".join(user))


def verdicts_schema(claims: int) -> dict[str, object]:
    """An object with the verdict on each claim under its number: closed labels, and none left out."""
    names = [str(n) for n in range(1, claims + 1)]
    verdict = {"type": "string", "enum": [ENTAILED, NOT_ENTAILED]}
    return {
        "type": "object",
        "properties": dict.fromkeys(names, verdict),
        "required": names,
        "additionalProperties": False,
    }


def read_claims(raw: str) -> list[str] | None:
    """The claims of a reply, once each, without the sign ¦; those without a letter or digit are left out.

    None for anything else, or more than `MOST`.
    """
    said = _object(raw).get("claims")
    if not isinstance(said, list) or not all(isinstance(claim, str) for claim in said) or len(said) > MOST:
        return None
    return list(dict.fromkeys(claim.strip(f" \n{MARK}") for claim in said if _SAYS.search(claim)))


def read_verdicts(raw: str, claims: int) -> list[bool] | None:
    """Which claims are entailed; None unless there is a readable verdict on each."""
    said = _object(raw)
    found = [said.get(str(n)) for n in range(1, claims + 1)]
    return [verdict == ENTAILED for verdict in found] if all(v in (ENTAILED, NOT_ENTAILED) for v in found) else None


def _object(raw: str) -> dict[str, object]:
    try:
        said = json.loads(raw)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
