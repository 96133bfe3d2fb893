"""Which variant, on this machine, for these languages, and how sure that is. docs/choosing.md tells it in words."""
