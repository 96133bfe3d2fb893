"""From evidence to text. Knows nothing of retrieval or indexes."""
