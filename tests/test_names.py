"""Names that a newcomer understands: verbs for functions, one concept a class name, no private vocabulary."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("mlrag", "eval", "service")
# Verbs in their base form, and nouns, that end like a participle.
NO_PARTICIPLES = {"embed", "feed", "need", "proceed", "read", "seed", "speed", "succeed"}
IRREGULAR = {
    "begun",
    "built",
    "done",
    "drawn",
    "found",
    "given",
    "held",
    "kept",
    "known",
    "left",
    "lent",
    "made",
    "said",
}
IRREGULAR |= {"seen", "sent", "shown", "taken", "told", "withheld", "worn", "written"}
PRIVATE_WORDS = {"fate", "fates", "leg", "legs", "notice", "notices", "withheld"}
# Terms of a wire protocol, each of its own server: OpenAI's classes beside the generator's.
SHARED_CLASS_NAMES = {"ChatMessage", "Completion"}


def trees() -> Iterator[tuple[str, ast.Module]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))


def functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for path, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield path, node


def is_property(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any("property" in ast.unparse(decorator) for decorator in node.decorator_list)


def test_no_function_is_named_by_a_bare_participle():
    participles = [
        f"{path}:{node.lineno} {node.name}"
        for path, node in functions()
        if not is_property(node)
        and (name := node.name.strip("_")) not in NO_PARTICIPLES
        and (name in IRREGULAR or re.fullmatch(r"[a-z]+ed", name))
    ]
    assert participles == []


def test_no_two_public_classes_share_a_name():
    modules = defaultdict(set)
    for path, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                modules[node.name].add(path)
    assert {name for name, paths in modules.items() if len(paths) > 1} <= SHARED_CLASS_NAMES


def test_no_function_or_class_carries_a_word_of_the_former_vocabulary():
    carriers = []
    for path, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                words = set(re.findall(r"[A-Z]?[a-z]+", node.name.replace("_", " ")))
                if {w.lower() for w in words} & PRIVATE_WORDS:
                    carriers.append(f"{path}:{node.lineno} {node.name}")
    assert carriers == []
