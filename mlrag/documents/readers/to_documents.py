"""The texts of a file as Documents: id, language, title, source."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from mlrag.documents.language_runs import SAMPLE, runs
from mlrag.documents.readers.base import Content, Loaded, Text
from mlrag.errors import DocumentError
from mlrag.text.detect import UNKNOWN, detect
from mlrag.text.normalize import clean
from mlrag.types import Document


def to_documents(content: Content, path: Path, lang: str | None, root: Path | None) -> Loaded:
    """Language: `lang`, else the file's own word, else detected. An id that is missing is the path below `root`.

    Raises DocumentError when there is no text, or no document whose language can be told.
    """
    relative = path.relative_to(root) if root and path.is_relative_to(root) else Path(path.name)
    if any("\ud800" <= c <= "\udfff" for c in path.as_posix()):  # bytes that are no UTF-8
        raise DocumentError(f"the name of {path.as_posix()!r} is not text", "rename the file")
    documents, unknown = [], []
    common = _common(content.texts)
    for item in content.texts:
        text = clean(item.text).strip()
        if not text and len(content.texts) == 1:
            raise DocumentError(f"{path} holds no text")
        given = lang or item.lang
        code = given or _language(text) or common
        if not code or not text:
            unknown.append(item.id)
            continue
        name = relative.as_posix() + item.id if item.id.startswith("#") or not item.id else clean(item.id)
        source = path.absolute().as_posix()
        title = clean(item.title).strip()
        documents.append(Document(name, code, text, title, source, item.meta, detected=not given))
    if not documents:
        raise DocumentError(f"the language of {path} cannot be told", "say it: --lang ta")
    lost = tuple(f"{path}: {name} has no text whose language can be told; left out" for name in unknown)
    return Loaded(tuple(documents), (*content.warnings, *lost))


def _language(text: str) -> str:
    """The text's language, of a mixed text the one with most characters; "" where none can be told."""
    code = detect(text[:SAMPLE])
    if code != UNKNOWN:
        return code
    shares: Counter[str] = Counter()
    for run in runs(text[:SAMPLE], UNKNOWN):
        shares[run.lang] += run.span.end - run.span.start
    del shares[UNKNOWN]
    return max(sorted(shares), key=lambda code: shares[code], default="")


def _common(texts: tuple[Text, ...]) -> str:
    """The language of a whole table, for rows too short to tell their own."""
    return _language("\n\n".join(item.text for item in texts[:200])) if len(texts) > 1 else ""
