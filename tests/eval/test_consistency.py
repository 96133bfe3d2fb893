"""The same fact in other words and languages: agreement by hand, and our rewordings in every language."""

import json
import unicodedata

import pytest
import typer
from typer.testing import CliRunner

import eval.consistency
from eval.consistency import LANGUAGES, WORDS, fact_of, read_rewordings
from eval.datasets.own import own_questions, sample_examples
from eval.metrics.agreement import AnswerState, AskedFact, agreement, classify_answer, consistency
from eval.types import Example, Prediction
from mlrag.languages import languages
from mlrag.testing import FakeOllama
from mlrag.text.detect import in_language

pytestmark = pytest.mark.slow

R, W, A = AnswerState.RIGHT, AnswerState.WRONG, AnswerState.ABSTAINED


@pytest.mark.parametrize(("states", "share"), [([R, R], 1.0), ([R, W], 0.0), ([R, R, A], 1 / 3), ([R, R, W, W], 1 / 3)])
def test_agreement_is_the_share_of_pairs_that_end_alike(states, share):
    assert agreement(states) == pytest.approx(share)


def test_one_answer_agrees_with_nothing():
    with pytest.raises(ValueError, match="two answers, not 1"):
        agreement([R])


@pytest.mark.parametrize(
    ("lang", "text", "answers", "state"),
    [
        ("ta", "நைல் ஆறு.", ("நைல்",), R),
        ("zh", "是尼罗河。", ("尼罗河",), R),
        ("ar", "نهر النيل", ("القاهرة",), W),
        ("en", "The documents do not say.", ("Nile",), A),
        ("en", "…", ("Nile",), W),
    ],
)
def test_each_answer_is_held_against_its_own_language(lang, text, answers, state):
    found = classify_answer(Example("nile-1", lang, "?", True, answers), Prediction("nile-1", "v", text=text), "nile-1")
    assert found == AskedFact("nile-1", lang, state, state is R)


def test_silence_is_good_where_the_documents_do_not_say():
    near = Example("nile-4", "en", "?", False, kind="near_miss")
    assert classify_answer(near, Prediction("nile-4", "v", abstained=True), "nile-4").good
    assert classify_answer(near, Prediction("nile-4", "v", text="About 9"), "nile-4").state is W
    assert classify_answer(near, Prediction("nile-4", "v", error="no server"), "nile-4") is None


def test_sets_are_languages_of_a_fact_or_wordings_in_a_language():
    rows = [
        AskedFact("a", "en", R, True),
        AskedFact("a", "ta", R, True),
        AskedFact("b", "en", R, True),
        AskedFact("b", "ta", A, False),
    ]
    across = consistency(rows, across_languages=True)
    assert (across.n, across.agree, across.good) == (2, 0.5, 0.5)
    assert across.agree_interval.low < 0.5 < across.agree_interval.high
    assert consistency(rows, across_languages=False).n == 0
    reworded = [*rows, AskedFact("a", "en", R, True), AskedFact("a", "en", W, False), AskedFact("a", "ta", R, True)]
    within = consistency(reworded, across_languages=False)
    assert (within.n, within.agree, within.good) == (2, pytest.approx((1 / 3 + 1) / 2), 0.5)


@pytest.mark.parametrize("lang", languages())
def test_twelve_questions_are_reworded_in_every_language(lang):
    originals = own_questions(lang)
    found = read_rewordings(lang, originals)
    assert len({fact_of(e) for e in found}) == 12
    assert not {e.question for e in found} & {e.question for e in originals}
    assert len({e.question for e in found}) == len(found)
    for e in found:
        assert unicodedata.normalize("NFC", e.question) == e.question
        assert in_language(e.question, languages()[lang])
        assert e.answers and e.gold_docs


def test_the_command_tells_agreeing_from_being_right(tmp_path, indexed, monkeypatch):
    monkeypatch.setenv("MLRAG_DATA_DIR", str(indexed))
    command = typer.Typer()
    command.command()(eval.consistency.main)
    with FakeOllama() as double:
        monkeypatch.setenv("MLRAG_OLLAMA_HOST", double.url)
        args = ["--langs", "ta,si", "--limit", "8", "--variants", "extractive,e4b,31b", "--out", str(tmp_path)]
        done = CliRunner().invoke(command, [*args, "--json"])
    assert done.exit_code == 0, done.stderr
    tables = json.loads(done.stdout)["sections"]
    found = {(title, r["variant"], r["group"]): r for title, rows in tables.items() for r in rows}
    originals = sample_examples(own_questions("si"), 8)
    again = read_rewordings("si", originals)
    assert found[LANGUAGES, "extractive", "all"]["agree"]["n"] == len(originals) == 8
    assert found[WORDS, "extractive", "si"]["agree"]["n"] == len({fact_of(e) for e in again}) > 0
    assert 0 <= found[WORDS, "e4b", "all"]["agree"]["value"] <= 1
    missing = found[LANGUAGES, "31b", "all"]
    assert (missing["agree"]["n"], missing["agree"]["value"]) == (0, None)
    assert "ollama pull" in missing["failed"]
    assert f"| 31b | si | – | – | {len(originals) + len(again)}: " in (tmp_path / "consistency.md").read_text(
        encoding="utf-8"
    )
    assert "In other words" in (tmp_path / "index.html").read_text(encoding="utf-8")
