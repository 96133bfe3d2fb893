"""Short arithmetic and deduction, the same items in every language, with and without thinking.

What each figure means: docs/dimensions.md.
"""
