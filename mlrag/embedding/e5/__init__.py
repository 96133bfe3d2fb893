"""The bundled multilingual-e5-small embedder."""
