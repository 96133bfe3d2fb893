"""A model as judge: what it is asked, what it said, and how far that may be believed (docs/judge.md)."""

from eval.judge.asking import Judge
from eval.judge.items import Item, Label, Verdict

__all__ = ["Item", "Judge", "Label", "Verdict"]
