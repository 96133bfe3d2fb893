"""The indexes in PostgreSQL with pgvector, for more than one machine."""
