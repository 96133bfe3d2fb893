"""Embedders, the store that is the truth, and the dense and lexical indexes derived from it."""
