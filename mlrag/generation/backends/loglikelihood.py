"""The log-likelihood of a given text under llama.cpp, token by token.

Its server has no echo. But the probability that it lists beside a generated token is the model's own, of before any
sampler, so a token that a bias forces is listed with what the model gave it. Of a token that ends inside a character
nothing is listed; it is read beside an anchor, a token of a whole character that is forced in its place: once with
both lifted, which gives their distance, once with the model's own probabilities, which gives the anchor's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from mlrag.errors import BrokenReplyError

_FORCED = 1000.0  # added to a logit: more than any two logits differ by
_GAP = 50.0  # nats of bias by which the anchor stands above the token read beside it, so that it is the one drawn

Complete = Callable[[dict[str, Any]], dict[str, Any]]  # one completion: the request, and the whole response


def log_likelihood(complete: Complete, prompt: Sequence[int], text: Sequence[int], anchor: int) -> float:
    """ln P(text | prompt), of token ids: the sum over the text's tokens, at most 0 but for rounding.

    `anchor`: any token that is a whole character. Raises BrokenReplyError where a token's probability is not told.
    """
    found = 0.0
    for place, token in enumerate(text):
        before = [*prompt, *text[:place]]
        own = _score_token(complete, before, token)
        found += _beside(complete, before, token, anchor) if own is None else own
    return found


def _score_token(complete: Complete, before: list[int], token: int) -> float | None:
    """ln P(token | before); None where the server lists nothing of it."""
    listed = _read_log_probs(complete(_one(before, {token: _FORCED}, 1)))
    return next((float(entry["logprob"]) for entry in listed if entry["id"] == token), None)


def _beside(complete: Complete, before: list[int], token: int, anchor: int) -> float:
    lifted = {anchor: _FORCED, token: _FORCED - _GAP}
    drawn = complete(_one(before, lifted, 2) | {"post_sampling_probs": True, "samplers": [], "temperature": 1.0})
    both = {entry["id"]: entry["prob"] for first in _read_log_probs(drawn) for entry in first["top_probs"]}
    own = _score_token(complete, before, anchor)
    if own is None or not both.get(token) or not both.get(anchor):
        raise BrokenReplyError("llama.cpp does not tell how likely a part of a character is")
    return own + math.log(both[token] / both[anchor]) + _GAP


def _one(before: list[int], bias: dict[int, float], listed: int) -> dict[str, Any]:
    biases = [[token, value] for token, value in bias.items()]
    return {"prompt": before, "max_tokens": 1, "temperature": 0, "seed": 0, "logprobs": listed, "logit_bias": biases}


def _read_log_probs(response: dict[str, Any]) -> list[dict[str, Any]]:
    if "choices" not in response:
        said = (response.get("error") or {}).get("message", "no reply")
        raise BrokenReplyError(f"llama.cpp could not score a text: {said}")
    return (response["choices"][0].get("logprobs") or {}).get("content") or []
