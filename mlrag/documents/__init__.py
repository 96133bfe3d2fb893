"""Read files as documents and split documents into passages. No embedding, no index."""
