"""Text to vectors: the bundled e5 embedder, any sentence-transformers model, and Ollama."""
