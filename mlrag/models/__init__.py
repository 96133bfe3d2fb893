"""Which model: the Gemma 4 family, memory, hardware and routing."""
