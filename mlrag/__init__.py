"""Answers from your own documents, in your own language, each claim cited to a verbatim span.

The public API: `make_pipeline(settings).ask(question, lang)` gives an `Answer`, `index_documents` fills the indexes
that it searches. Names are imported when they are first used, so that `import mlrag` costs nothing.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

# onnxruntime reports its use to its makers unless this is set before it loads.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from mlrag.answering.pipeline import Pipeline
    from mlrag.documents.readers import read_documents
    from mlrag.errors import MlragError
    from mlrag.factory import make_embedder, make_indexes, make_pipeline
    from mlrag.ingest.index_documents import index_documents
    from mlrag.settings import Settings
    from mlrag.types import Answer, Citation, Document, Hit, Passage

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "Citation",
    "Document",
    "Hit",
    "MlragError",
    "Passage",
    "Pipeline",
    "Settings",
    "index_documents",
    "make_embedder",
    "make_indexes",
    "make_pipeline",
    "read_documents",
]

_MODULES = {
    "Answer": "mlrag.types",
    "Citation": "mlrag.types",
    "Document": "mlrag.types",
    "Hit": "mlrag.types",
    "MlragError": "mlrag.errors",
    "Passage": "mlrag.types",
    "Pipeline": "mlrag.answering.pipeline",
    "Settings": "mlrag.settings",
    "index_documents": "mlrag.ingest.index_documents",
    "make_embedder": "mlrag.factory",
    "make_indexes": "mlrag.factory",
    "make_pipeline": "mlrag.factory",
    "read_documents": "mlrag.documents.readers",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'mlrag' has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
