"""How fast a variant loads, reads and writes, what memory and energy it takes, and how far that was foreseeable.

What each figure means: docs/dimensions.md.
"""
