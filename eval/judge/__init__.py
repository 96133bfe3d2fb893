"""A model as judge: what it is asked, what it said, and how far that may be believed (docs/judge.md)."""

from eval.judge.items import Item, Label, Preference, Verdict
from eval.judge.judge import Judge

__all__ = ["Item", "Judge", "Label", "Preference", "Verdict"]
