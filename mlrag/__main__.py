"""`python -m mlrag`."""

from mlrag.cli.main import app

if __name__ == "__main__":
    app()
