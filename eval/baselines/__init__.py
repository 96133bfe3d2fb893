"""Degenerate, honest and scripted answerers: what the metrics are tested with."""
