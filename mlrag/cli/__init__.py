"""The `mlrag` command."""
