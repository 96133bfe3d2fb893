"""A language is its pack: facts stand in the TOML files, and no code asks which language it has before it."""

import ast

import pytest

from mlrag.answering.grounding import names_checkable
from mlrag.languages import language, languages
from mlrag.text.normalize import lower
from mlrag.text.sentences import sentence_spans
from tests.conftest import HOUSE

PACKS = languages().values()
# Where English itself is meant: what it holds is not a fact about a language that a pack could state.
ENGLISH_IS_MEANT = {
    "eval/baselines/degenerate.py",  # a reply in a wrong language: English, or German where English is right
    "eval/baselines/instructions.py",  # the same, French where English is right
    "eval/datasets/hostile.py",  # English orders stand in documents of every language
    "eval/metrics/reply_language.py",  # a leak is a reply in English
    "eval/report/view.py",  # English leads its tier in a table
    "eval/results/scores.py",  # English cannot leak into English
}


def compared_codes(source: str) -> set[str]:
    """Language codes that a module compares with, matches on, or looks up by."""
    compared: list[ast.expr] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare):
            for side in (node.left, *node.comparators):
                compared += side.elts if isinstance(side, ast.Tuple | ast.List | ast.Set) else [side]
        elif isinstance(node, ast.MatchValue):
            compared.append(node.value)
        elif isinstance(node, ast.Dict):
            compared += [key for key in node.keys if key]
        elif isinstance(node, ast.Subscript):
            compared.append(node.slice)
    return {c.value for c in compared if isinstance(c, ast.Constant) and c.value in languages()}


@pytest.mark.parametrize("package", ["mlrag", "eval", "service"])
def test_no_code_knows_a_language_by_name(package):
    modules = {p.relative_to(HOUSE).as_posix(): p for p in (HOUSE / package).rglob("*.py")}
    known = {name: codes for name, p in modules.items() if (codes := compared_codes(p.read_text(encoding="utf-8")))}
    assert {name: codes for name, codes in known.items() if name not in ENGLISH_IS_MEANT or codes != {"en"}} == {}


def test_the_search_for_language_codes_sees_each_form():
    forms = ['a == "de"', 'b in ("tr", "az")', '{"ta": 1}', 'c["si"]', 'match d:\n    case "zh":\n        pass']
    assert set().union(*map(compared_codes, forms)) == {"de", "tr", "ta", "si", "zh"}
    assert compared_codes('f("en"); g = "de"') == set()


@pytest.mark.parametrize("code", [pack.code for pack in PACKS])
def test_the_full_stops_that_a_pack_names_end_no_sentence(code):
    pack = language(code)
    texts = [f"{word}. Áa {pack.sample_sentences[0]}" for word in (*pack.abbreviations, *pack.initials)]
    texts += [f"x 14. {word} x." for word in pack.ordinal_words]
    assert [text for text in texts if len(sentence_spans(text)) != 1] == []


def test_each_fact_of_a_pack_reaches_the_code_that_needs_it():
    assert lower("İI", language("tr")) == "iı"
    assert lower("I", language("en")) == "i"
    assert not names_checkable(language("de"))
    assert names_checkable(language("fr"))
