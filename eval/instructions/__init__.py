"""Constraint stacking: one to five instructions at once about one writing task, held to by code for all languages.

What each figure means: docs/dimensions.md."""
