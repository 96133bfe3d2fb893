"""One chat model class for each model server."""
