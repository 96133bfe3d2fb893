"""What the commands of the bench may import."""

import ast
from pathlib import Path

import eval

FOLDER = Path(eval.__file__).parent


def imported_modules(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_no_command_imports_test_doubles():
    files = list(FOLDER.rglob("*.py"))
    assert len(files) > 50
    doubles = ("mlrag.testing", "tests")
    wrong = {
        str(path.relative_to(FOLDER)): name
        for path in files
        for name in imported_modules(path)
        if any(name == double or name.startswith(f"{double}.") for double in doubles)
    }
    assert wrong == {}
