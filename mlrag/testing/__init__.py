"""Fake model servers: they speak the real protocols over HTTP on 127.0.0.1, with no model behind them."""

from mlrag.testing.gemini import FakeGemini
from mlrag.testing.gullible import make_gullible_reply
from mlrag.testing.ollama import FakeOllama
from mlrag.testing.openai import FakeOpenAI
from mlrag.testing.server import FakeServer, first_sentence

__all__ = ["FakeGemini", "FakeOllama", "FakeOpenAI", "FakeServer", "first_sentence", "make_gullible_reply"]
