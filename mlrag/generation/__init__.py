"""Generators: from evidence to text. They know nothing of retrieval or indexes."""
