"""Stand-ins that ship with mlrag: real little objects that speak the real protocols. Not models."""

from mlrag.testing.gemini import GeminiDouble
from mlrag.testing.gullible import gullible
from mlrag.testing.ollama import OllamaDouble
from mlrag.testing.openai import OpenAIDouble
from mlrag.testing.server import Double, first_sentence

__all__ = ["Double", "GeminiDouble", "OllamaDouble", "OpenAIDouble", "first_sentence", "gullible"]
