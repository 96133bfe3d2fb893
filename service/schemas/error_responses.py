"""The error replies of the routes, as OpenAPI shows them."""

from __future__ import annotations

from typing import Any

Responses = dict[int | str, dict[str, Any]]
_DESCRIPTIONS = {
    400: "The body is not valid JSON.",
    401: "This needs a key.",
    403: "The key, the caller's address, or the setting `private` does not allow it.",
    404: "No such language, document, job, model or report; or nothing is indexed in the language.",
    409: "The index was made with another embedder.",
    413: "The body is too long.",
    422: "A question, field or file that is not valid.",
    429: "Too many requests with this key. The header Retry-After says when to come back.",
    502: "The model gave no usable reply.",
    503: "Busy, or something that is needed cannot be reached. Retry-After, where known, says when to come back.",
    504: "No answer within the time limit.",
}


_ERROR = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorReply"}}}


def errors(*statuses: int) -> Responses:
    """Return OpenAPI responses of these statuses, each with the JSON body that every error has."""
    return {status: {"description": _DESCRIPTIONS[status], "content": _ERROR} for status in statuses}


COMMON_ERRORS = errors(401, 403, 413, 422, 429, 503, 504)  # the middleware may reply them to any request
