"""Multiple choice: `python -m eval.choice`."""
