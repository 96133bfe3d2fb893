"""The gold passage stands where it should in contexts of the length asked; a reader that sees so far is measured so."""

import json

import pytest
import typer
from typer.testing import CliRunner

import eval.longcontext.__main__ as command
from eval.baselines.longcontext import Nearsighted
from eval.longcontext.__main__ import parse_lengths
from eval.longcontext.contexts import DEPTHS, Hunt, make_hunts, read_material
from eval.longcontext.metrics import compute_effective_context, compute_found_rate, is_good, make_sections
from eval.metrics.answers import containment
from eval.runner.rows import predict
from eval.types import Prediction
from mlrag.errors import CorpusFormatError
from mlrag.generation.token_estimate import estimate_tokens
from mlrag.languages import language
from mlrag.testing import FakeOpenAI
from tests.conftest import CORPORA

LENGTHS = [1500, 3000]


@pytest.fixture(scope="module")
def there():
    return {code: make_hunts(code, read_material(code, CORPORA), LENGTHS, 6) for code in ("en", "ta", "zh", "ar")}


def answers_at(hunt):
    """How many passages hold an answer, per cent of the others before the first, and half a passage in per cent."""
    shown = [p.partition("] ")[2] for p in hunt.example.question.split("\n\n[")[1:]]
    pack = language(hunt.example.lang)
    held = [n for n, p in enumerate(shown) if containment(p.rpartition("\n\n")[0] or p, hunt.example.answers, pack)]
    others = len(shown) - 1
    return (len(held), 100 * held[0] / others, 50 / others) if held else None


@pytest.mark.parametrize("code", ["en", "ta", "zh", "ar"])
def test_the_gold_passage_stands_at_its_depth_once_and_the_context_is_full_and_no_longer(there, code):
    assert len(there[code]) == len(LENGTHS) * 6 * (len(DEPTHS) + 1)
    for hunt in there[code]:
        size = estimate_tokens(hunt.example.question)
        assert 0.6 * hunt.length < size <= hunt.length
        place = answers_at(hunt)
        if hunt.depth is None:
            assert place is None
            assert not hunt.example.answerable
        else:
            count, depth, half = place
            assert count == 1
            assert depth == pytest.approx(hunt.depth, abs=half + 0.01)


def test_material_comes_from_other_files_too_and_what_it_cannot_fill_is_left_out(tmp_path):
    alone = read_material("ta", CORPORA)
    row = {"pid": "more", "text": "மழை பெய்தது. ஆறு நிரம்பியது. " * 400}
    (tmp_path / "ta.docs.jsonl").write_text(json.dumps(row, ensure_ascii=False), encoding="utf-8")
    more = read_material("ta", CORPORA, tmp_path)
    assert sum(f.tokens for f in more) > sum(f.tokens for f in alone)
    assert make_hunts("ta", alone, [10**6], 2) == []
    assert len(read_material("en", CORPORA, tmp_path)) == len(read_material("en", CORPORA))
    with pytest.raises(CorpusFormatError, match="no folder"):
        read_material("ta", CORPORA, tmp_path / "nowhere")


def rows(there, reach):
    asker = Nearsighted([h for of_language in there.values() for h in of_language], reach)
    return {x: [(h, predict(asker, h.example, "v")) for h in hs] for x, hs in there.items()}


def test_what_a_reader_sees_is_its_effective_context(there):
    near, far = rows(there, 1500), rows(there, 3000)
    assert [compute_found_rate(near, list(near), n).value for n in LENGTHS] == [1.0, 0.0]
    assert [compute_found_rate(near, list(near), n, [None]).value for n in LENGTHS] == [1.0, 1.0]
    assert compute_effective_context(near, list(near), LENGTHS, 0.5).length == 1500
    assert compute_effective_context(far, list(far), LENGTHS, 0.5).length == 3000
    assert compute_effective_context(far, list(far), LENGTHS, 1.0).length is None  # so few questions show no such bound
    lines = make_sections({"v": far}, LENGTHS, 0.5, {"v": "131,072"})[3].lines()
    assert lines[0][3:] == ["3,000", "3,000", "131,072"]


def test_silence_is_good_only_without_the_passage_and_failures_are_left_out(there):
    with_it, without = there["ta"][0], there["ta"][5]
    assert (with_it.depth, without.depth) == (0, None)
    silent = Prediction("x", "v", text=language("ta").abstention)
    assert not is_good(with_it, silent)
    assert is_good(without, silent)
    assert is_good(with_it, Prediction("x", "v", text=f"{with_it.example.answers[0]} [1]"))
    assert not is_good(without, Prediction("x", "v", text=with_it.example.answers[0]))
    failed = {"ta": [(with_it, Prediction("x", "v", error="no server"))]}
    assert compute_found_rate(failed, ["ta"], with_it.length).value is None


def test_lengths_are_numbers_in_order():
    assert parse_lengths("4000, 2000") == [2000, 4000]
    for bad in ("", "100", "two"):
        with pytest.raises(ValueError, match=r"lengths|literal"):
            parse_lengths(bad)


def test_the_command_asks_no_more_than_fits_the_window_and_says_what_is_advertised(tmp_path, monkeypatch):
    monkeypatch.setenv("MLRAG_DATA_DIR", str(tmp_path / "var"))
    monkeypatch.setenv("MLRAG_CORPORA", str(CORPORA))
    app = typer.Typer()
    app.command()(command.main)
    by_prompt: dict[str, Hunt] = {
        h.example.question: h for h in make_hunts("ta", read_material("ta", CORPORA), LENGTHS, 2)
    }

    def reply(body):
        hunt = by_prompt[body["messages"][-1]["content"]]
        return hunt.example.answers[0] if hunt.depth is not None else language("ta").abstention

    with FakeOpenAI(reply=reply, models=("google/gemma-4-E4B-it",), told={"max_model_len": 2500}) as double:
        monkeypatch.setenv("MLRAG_OPENAI_URL", double.url + "/v1")
        args = ["--langs", "ta", "--questions", "2", "--lengths", "1500,3000", "--json"]
        result = CliRunner().invoke(app, [*args, "--variants", "openai:google/gemma-4-E4B-it"])
        assert result.exit_code == 0, result.output
        assert len(double.requests) == 12  # the longer ones are beyond 2500 tokens
    tables = json.loads(result.stdout)["sections"]
    row = tables["Found, by length of the context"][0]
    assert (row["1,500"]["value"], row["3,000"]["value"], row["failed"]) == (1.0, None, "")
    assert tables["Effective context"][0]["advertised"] == "131,072"
    assert tables["Effective context"][0]["longest asked"] == "1,500"
