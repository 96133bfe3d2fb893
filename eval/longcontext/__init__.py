"""One passage that answers among many that do not: at any depth of a context of any length, or not there at all.

What each figure means: docs/dimensions.md.
"""
