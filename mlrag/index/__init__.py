"""Indexes of passages: a protocol and two storage backends."""
