"""The prompts that families of embedding models expect before a query and before a document."""

from __future__ import annotations

from collections.abc import Mapping

# From the model cards. Used where the saved model does not contain its prompts.
_PROMPTS = {
    "e5": {"query": "query: ", "document": "passage: "},
    "embeddinggemma": {"query": "task: search result | query: ", "document": "title: none | text: "},
    "nomic-embed-text": {"query": "search_query: ", "document": "search_document: "},
    "qwen3-embedding": {
        "query": "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:",
        "document": "",
    },
}


def family_prompts(model: str) -> Mapping[str, str]:
    """Return the "query" and "document" prompts of the family in the model's name; {} for an unknown family."""
    return next((p for family, p in _PROMPTS.items() if family in model.lower()), {})
