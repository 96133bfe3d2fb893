"""The measuring bench: how well the service answers, language by language."""
