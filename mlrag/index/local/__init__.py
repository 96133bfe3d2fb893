"""Indexes in a folder: SQLite is the truth, FAISS and Tantivy files are derived from it."""
