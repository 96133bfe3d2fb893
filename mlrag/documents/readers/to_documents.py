"""Turn the texts of a file into documents with id, language, title and source."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from mlrag.documents.language_runs import SAMPLE, find_language_runs
from mlrag.documents.readers.base import ExtractedFile, LoadedFile
from mlrag.errors import DocumentError
from mlrag.text.detect import UNKNOWN, detect
from mlrag.text.normalize import clean
from mlrag.types import Document


def to_documents(content: ExtractedFile, path: Path, lang: str | None, root: Path | None) -> LoadedFile:
    """Return the documents of a file. The language is `lang`, else what the file says, else detected.

    A missing id becomes the path below `root`. Raises DocumentError when there is no text, or no document of a known
    language.
    """
    relative = path.relative_to(root) if root and path.is_relative_to(root) else Path(path.name)
    if any("\ud800" <= c <= "\udfff" for c in path.as_posix()):  # bytes that are not UTF-8
        raise DocumentError(f"the name of {path.as_posix()!r} is not text", "rename the file")
    documents, unknown = [], []
    common = ""  # the language of a whole table, for rows that are too short for detection
    if len(content.texts) > 1:
        common = _detect_language("\n\n".join(item.text for item in content.texts[:200]))
    for item in content.texts:
        text = clean(item.text).strip()
        if not text and len(content.texts) == 1:
            raise DocumentError(f"{path} holds no text")
        given = lang or item.lang
        code = given or _detect_language(text) or common
        if not code or not text:
            unknown.append(item.id)
            continue
        name = relative.as_posix() + item.id if item.id.startswith("#") or not item.id else clean(item.id)
        source = path.absolute().as_posix()
        title = clean(item.title).strip()
        documents.append(Document(name, code, text, title, source, item.meta, detected=not given))
    if not documents:
        raise DocumentError(f"the language of {path} is unknown", "name it, for example: --lang ta")
    skipped = tuple(f"{path}: {name} skipped: it has no text in a known language" for name in unknown)
    return LoadedFile(tuple(documents), (*content.warnings, *skipped))


def _detect_language(text: str) -> str:
    """The text's language; of a mixed text the one with most characters; "" where none is known."""
    code = detect(text[:SAMPLE])
    if code != UNKNOWN:
        return code
    characters: Counter[str] = Counter()
    for run in find_language_runs(text[:SAMPLE], UNKNOWN):
        characters[run.lang] += run.span.end - run.span.start
    del characters[UNKNOWN]
    return max(sorted(characters), key=lambda code: characters[code], default="")
