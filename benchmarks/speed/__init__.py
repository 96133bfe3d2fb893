"""The parts of `python -m benchmarks.run`."""
