"""A model as judge: what it is asked, what it said, and how far that may be believed (docs/judge.md)."""

from eval.judge.items import Grade, JudgeItem, Label, Preference
from eval.judge.judge import Judge

__all__ = ["Grade", "Judge", "JudgeItem", "Label", "Preference"]
