"""Files to documents, documents to passages. Knows nothing of vectors."""
