"""Readers of evaluation sets that people bring by path."""
