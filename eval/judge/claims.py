"""Split answers into claims and let a judge say what entails them; each reply is on disk before it counts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from eval.judge.claim_metrics import ClaimVerdicts
from eval.judge.items import JudgeItem
from eval.judge.judge import Judge, raise_if_unavailable
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
from mlrag.errors import GeneratorError
from mlrag.generation.backends.base import ChatMessage

_MAX_TOKENS = 1024  # tokens of a list of claims, or of the verdicts on them


class UnreadableReplyError(Exception):
    """A reply of the judge that is not what was asked for."""


@dataclass(frozen=True, slots=True)
class AnswerClaims:
    """One answer with its claims and those of the reference (`golds`).

    `verdicts` is None where a reply is missing or unreadable; `why` says which.
    """

    item: JudgeItem
    claims: tuple[str, ...] = ()
    golds: tuple[str, ...] = ()
    verdicts: ClaimVerdicts | None = None
    why: str = ""


class ClaimJudge:
    """A judge that is asked everything once: one file keeps its replies by the fingerprint of the prompt."""

    def __init__(self, judge: Judge, path: Path) -> None:
        self.name = judge.name
        self._judge, self._path, self._lock = judge, path, Lock()
        self._replies: dict[str, str] = {row["key"]: row["raw"] for row in rows(path)}

    def reply(self, id: str, turns: tuple[ChatMessage, ...], schema: Mapping[str, Any]) -> str:
        """Return the stored reply, else ask. Raises GeneratorError; a failed call is repeated next time."""
        shown = "\0".join([CLAIMS_VERSION, *(turn.content for turn in turns)])
        key = hashlib.sha256(shown.encode("utf-8", "replace")).hexdigest()[:16]
        if key not in self._replies:
            raw = self._judge.ask(turns, schema, _MAX_TOKENS)
            with self._lock:
                append(self._path, {"id": id, "key": key, "raw": raw})
                self._replies[key] = raw
        return self._replies[key]

    def split(self, item: JudgeItem, text: str) -> list[str]:
        """Split a text into its claims. Raises GeneratorError, UnreadableReplyError."""
        claims = read_claims(self.reply(item.id, build_split_prompt(item.lang, item.question, text), CLAIMS_SCHEMA))
        if claims is None:
            raise UnreadableReplyError("its list of claims cannot be read")
        return claims

    def check(self, item: JudgeItem, title: str, text: str, claims: Sequence[str]) -> list[bool]:
        """Return which claims the text entails. Raises GeneratorError, UnreadableReplyError."""
        if not claims:
            return []
        prompt = build_check_prompt(item.lang, item.question, title, text, claims)
        verdicts = read_verdicts(self.reply(item.id, prompt, claim_verdicts_schema(len(claims))), len(claims))
        if verdicts is None:
            raise UnreadableReplyError("its verdicts on claims cannot be read")
        return verdicts


def judge_claims(
    replies: ClaimJudge, items: Sequence[tuple[JudgeItem, bool]], tick: Callable[[], object], concurrency: int = 1
) -> list[AnswerClaims]:
    """Split each answer into claims and check them, in order.

    Args:
        items: each with whether the answer is an abstention, which has no claims.

    Raises:
        GeneratorUnavailableError: the judge cannot be reached; any other failure is an unscored answer.
    """

    def judge_one(item: tuple[JudgeItem, bool]) -> AnswerClaims:
        try:
            return _judge_answer(replies, *item)
        except (GeneratorError, UnreadableReplyError) as error:
            raise_if_unavailable(error)
            return AnswerClaims(item[0], why=str(error))
        finally:
            tick()

    return at_once(judge_one, items, concurrency, replies.name)


def _judge_answer(replies: ClaimJudge, item: JudgeItem, abstained: bool) -> AnswerClaims:
    """Check the claims; gold claims are those of the first reference, an answer's claim may follow from any."""
    golds = replies.split(item, item.references[0])
    claims = [] if abstained else replies.split(item, item.answer)
    right = replies.check(item, "References", "\n".join(item.references), claims)
    found = [False] * len(golds) if abstained else replies.check(item, "Answer", item.answer, golds)
    backed, held = [], []
    for passage in item.passages:
        entailed = replies.check(item, "Passage", passage, [*claims, *golds])
        backed.append(entailed[: len(claims)])
        held.append(entailed[len(claims) :])
    return AnswerClaims(item, tuple(claims), tuple(golds), ClaimVerdicts(right, found, backed, held))
