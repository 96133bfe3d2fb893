"""mlrag: answers from your own documents, in your own language, each claim cited."""

__version__ = "0.1.0"
