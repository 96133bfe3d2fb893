"""Every error that mlrag raises on purpose.

MlragError
├── SettingsError            a setting that cannot be used
├── PackError                a language pack that breaks its own rules
├── UnknownLanguageError     a language without a pack
├── QuestionError            an empty or over-long question
├── DocumentError            a file that cannot be read as a document
├── CorpusFormatError        an evaluation set that is not in the format
├── MissingIndexError        a language without an index
├── EmbedderMismatchError    an index made by another embedder
├── StorageError             a disk that is full, a folder that cannot be written, a damaged store
│   └── StoreUnreachableError   a database server that does not answer
├── EmbedderError            an embedder that cannot be loaded, or gave no vectors
├── PrivacyError             a remote backend where only this machine is allowed
├── ForbiddenLanguageError   a language that the caller's key does not open
├── StoppedError             nobody waits for the answer any more
└── GeneratorError           a generator that gave no usable reply
    ├── GeneratorUnavailableError   it could not be reached, lacks the model, or is not installed
    │   ├── MissingModelError       the backend is there, the model is not
    │   ├── GeneratorBusyError      it is busy or limits its callers; try again
    │   └── QuotaError              a daily or paid quota is used up: trying again does not help
    ├── GeneratorTimeoutError       no reply within its time
    ├── BrokenReplyError            cut, malformed, empty or endlessly repeating
    ├── UnfinishedReplyError        the room for it was used up
    └── PromptTooLongError          the prompt did not fit; nothing was cut silently

A message says what to do next. A caller's bug is a plain ValueError.
"""

from __future__ import annotations

from collections.abc import Iterable


class MlragError(Exception):
    """Base of all. `hint` is the next step, where it is not part of the message."""

    code = "error"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class SettingsError(MlragError):
    code = "bad_settings"


class PackError(MlragError):
    code = "bad_pack"


class UnknownLanguageError(MlragError):
    code = "unknown_language"

    def __init__(self, lang: str, known: Iterable[str]) -> None:
        super().__init__(f"unknown language {lang!r}", f"known: {', '.join(sorted(known))}")


class QuestionError(MlragError):
    code = "bad_question"


class DocumentError(MlragError):
    code = "bad_document"


class CorpusFormatError(MlragError):
    code = "bad_dataset"


class MissingIndexError(MlragError):
    code = "no_index"

    def __init__(self, lang: str) -> None:
        super().__init__(
            f"no documents are indexed in {lang!r}", f"build the index with: mlrag index PATH --lang {lang}"
        )


class EmbedderMismatchError(MlragError):
    code = "embedder_mismatch"

    def __init__(self, lang: str, stored: str, wanted: str) -> None:
        super().__init__(
            f"the {lang!r} index was made with {stored}, but {wanted} is asked for",
            "index again with: mlrag index --rebuild",
        )


class StorageError(MlragError):
    code = "storage_failed"


class StoreUnreachableError(StorageError):
    code = "store_unreachable"


class EmbedderError(MlragError):
    code = "embedder_failed"


class PrivacyError(MlragError):
    code = "remote_forbidden"


class ForbiddenLanguageError(MlragError):
    code = "forbidden_language"

    def __init__(self, lang: str, allowed: Iterable[str]) -> None:
        super().__init__(f"this key does not open {lang!r}", f"it opens: {', '.join(sorted(allowed))}")


class StoppedError(MlragError):
    """Raised by whoever watches an answer come, to stop the model; no fault of anybody's."""

    code = "stopped"

    def __init__(self) -> None:
        super().__init__("nobody waits for this answer any more")


class GeneratorError(MlragError):
    """`retryable`: the same call may well succeed a moment later."""

    code = "generator_failed"
    retryable = False


class GeneratorUnavailableError(GeneratorError):
    code = "generator_unavailable"


class MissingModelError(GeneratorUnavailableError):
    code = "no_model"


class GeneratorBusyError(GeneratorUnavailableError):
    """`retry_after`: seconds that the server asked for; None where it did not say."""

    code = "generator_busy"
    retryable = True

    def __init__(self, message: str, hint: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, hint)
        self.retry_after = retry_after


class QuotaError(GeneratorUnavailableError):
    code = "quota_used_up"


class GeneratorTimeoutError(GeneratorError):
    code = "generator_timeout"


class BrokenReplyError(GeneratorError):
    code = "broken_reply"
    retryable = True


class UnfinishedReplyError(GeneratorError):
    """The model wrote on until its room was used up."""


class PromptTooLongError(GeneratorError):
    code = "prompt_too_long"
