"""An answer's claims and what entails them, as a judge says; every reply of it is on disk before it counts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from eval.judge.claim_metrics import ClaimVerdicts
from eval.judge.items import JudgeItem
from eval.judge.judge import Judge
from eval.judge.prompts import (
    CLAIMS_SCHEMA,
    CLAIMS_VERSION,
    build_check_prompt,
    build_split_prompt,
    claim_verdicts_schema,
    read_claims,
    read_verdicts,
)
from eval.runner.jsonl_log import append, at_once, rows
from mlrag.errors import GeneratorBusyError, GeneratorError, GeneratorUnavailableError
from mlrag.generation.backends.base import Turn

_ROOM = 1024  # tokens of a list of claims, or of the verdicts on them


class UnreadableReplyError(Exception):
    """A reply of the judge that is not what was asked for."""


@dataclass(frozen=True, slots=True)
class AnswerClaims:
    """One answer with its claims and the reference's. `verdicts` is None where a reply could not be had or read; `why`
    says so."""

    item: JudgeItem
    claims: tuple[str, ...] = ()
    golds: tuple[str, ...] = ()
    verdicts: ClaimVerdicts | None = None
    why: str = ""


class ClaimJudge:
    """A judge that is asked everything once: its replies lie in one file, under a fingerprint of what it was shown."""

    def __init__(self, judge: Judge, path: Path) -> None:
        self.name = judge.name
        self._judge, self._path, self._lock = judge, path, Lock()
        self._there: dict[str, str] = {row["key"]: row["raw"] for row in rows(path)}

    def ask(self, id: str, turns: tuple[Turn, ...], schema: Mapping[str, Any]) -> str:
        """Raises GeneratorError; a failed call is asked again next time."""
        shown = "\0".join([CLAIMS_VERSION, *(turn.content for turn in turns)])
        key = hashlib.sha256(shown.encode("utf-8", "replace")).hexdigest()[:16]
        if key not in self._there:
            raw = self._judge.ask(turns, schema, _ROOM)
            with self._lock:
                append(self._path, {"id": id, "key": key, "raw": raw})
                self._there[key] = raw
        return self._there[key]

    def split(self, item: JudgeItem, text: str) -> list[str]:
        found = read_claims(self.ask(item.id, build_split_prompt(item.lang, item.question, text), CLAIMS_SCHEMA))
        if found is None:
            raise UnreadableReplyError("its list of claims cannot be read")
        return found

    def check(self, item: JudgeItem, title: str, text: str, claims: Sequence[str]) -> list[bool]:
        """Which of the claims the text entails; nothing is asked of no claims."""
        if not claims:
            return []
        asked = build_check_prompt(item.lang, item.question, title, text, claims)
        found = read_verdicts(self.ask(item.id, asked, claim_verdicts_schema(len(claims))), len(claims))
        if found is None:
            raise UnreadableReplyError("its verdicts on claims cannot be read")
        return found


def judge_claims(
    replies: ClaimJudge, items: Sequence[tuple[JudgeItem, bool]], tick: Callable[[], object], concurrency: int = 1
) -> list[AnswerClaims]:
    """Every item's claims and verdicts, in order; with each whether it abstained, and so has no claims.

    Raises GeneratorUnavailableError; any other failure is an unscored answer.
    """

    def ask(one: tuple[JudgeItem, bool]) -> AnswerClaims:
        try:
            return _claimed(replies, *one)
        except (GeneratorError, UnreadableReplyError) as error:
            if isinstance(error, GeneratorUnavailableError) and not isinstance(error, GeneratorBusyError):
                raise
            return AnswerClaims(one[0], why=str(error))
        finally:
            tick()

    return at_once(ask, items, concurrency, replies.name)


def _claimed(replies: ClaimJudge, item: JudgeItem, abstained: bool) -> AnswerClaims:
    """The gold claims are those of the first reference; an answer's claim may follow from any of them."""
    golds = replies.split(item, item.references[0])
    claims = [] if abstained else replies.split(item, item.answer)
    right = replies.check(item, "References", "\n".join(item.references), claims)
    found = [False] * len(golds) if abstained else replies.check(item, "Answer", item.answer, golds)
    backed, held = [], []
    for passage in item.passages:
        said = replies.check(item, "Passage", passage, [*claims, *golds])
        backed.append(said[: len(claims)])
        held.append(said[len(claims) :])
    return AnswerClaims(item, tuple(claims), tuple(golds), ClaimVerdicts(right, found, backed, held))
