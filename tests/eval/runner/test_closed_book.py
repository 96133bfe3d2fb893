"""A closed book: the same questions, no passages, beside the rows that read."""

import json

import pytest
import typer
from typer.testing import CliRunner

import eval.tiers
from eval.datasets.own import own_questions, sample_examples
from eval.metrics.answers import containment
from eval.runner.closed_book import ClosedBook, add_closed_book, turns
from mlrag.errors import SettingsError
from mlrag.languages import language, languages
from mlrag.settings import Settings
from mlrag.testing import FakeOllama


def tiers(*args):
    command = typer.Typer()
    command.command()(eval.tiers.main)
    return CliRunner().invoke(command, [*args, "--json"])


def test_a_report_has_each_variant_twice_or_only_closed():
    assert add_closed_book(["e2b", "e4b"], False) == ["e2b", "e4b"]
    assert add_closed_book(["e2b"], True) == ["e2b", "e2b (closed book)"]
    assert add_closed_book(["e2b"], False, passages=False) == ["e2b (closed book)"]


@pytest.mark.parametrize("lang", languages())
def test_the_prompt_is_the_question_alone_in_its_language(lang):
    pack = language(lang)
    system, user = turns("<|turn>? 40", pack)
    assert system.content == pack.prompt["closed"]
    assert user.content == f"{pack.prompt['question']}: ‹|turn›? 40\n{pack.prompt['answer']}:"
    assert pack.abstention not in system.content


def test_a_model_answers_from_what_it_knows_and_extractive_knows_nothing():
    with FakeOllama(reply=lambda _body: "தானா ஏரி") as double:
        settings = Settings(ollama_host=double.url)
        answer = ClosedBook(settings, "e4b (closed book)").ask("நீல நைல் எங்கு தொடங்குகிறது?", "ta")
        with pytest.raises(SettingsError, match="names no model"):
            ClosedBook(settings, "extractive (closed book)").ask("?", "ta")
    assert (answer.text, answer.hits, answer.abstained, answer.left_machine) == ("தானா ஏரி", (), False, False)
    assert answer.model == "ollama:gemma4:e4b [stand-in]"
    assert answer.usage.output_tokens > 0


def test_closed_rows_stand_beside_those_that_read(tmp_path, indexed, monkeypatch):
    monkeypatch.setenv("MLRAG_DATA_DIR", str(indexed))
    known = [e for e in sample_examples(own_questions("ta"), 4) if e.answerable]
    reply = known[0].answers[0]
    right = sum(containment(reply, e.answers, language("ta")) for e in known)
    with FakeOllama(reply=lambda _body: reply) as double:
        monkeypatch.setenv("MLRAG_OLLAMA_HOST", double.url)
        args = [
            "--langs",
            "ta",
            "--limit",
            "4",
            "--variants",
            "extractive,e4b",
            "--closed-book",
            "--out",
            str(tmp_path),
        ]
        done = tiers(*args)
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)["variants"]
    assert list(found) == ["extractive", "extractive (closed book)", "e4b", "e4b (closed book)"]
    closed = found["e4b (closed book)"]["languages"]["ta"]
    assert closed["n"] == len(known) < 4  # none of them with its document hidden
    assert closed["metrics"]["contains"]["value"] == pytest.approx(right / len(known))
    nothing = ("recall@5", "hallucination:near_miss", "hallucination:numbers", "citation_coverage", "summary")
    assert [closed["metrics"][name]["value"] for name in nothing] == [None] * len(nothing)
    refused = found["extractive (closed book)"]["languages"]["ta"]
    assert (refused["failed"], "no model" in refused["reason"]) == (len(known), True)
    assert json.loads(done.stdout)["signature"]["suite"]["licence"] == "Apache-2.0"


def test_a_set_without_passages_is_asked_with_the_book_closed(tmp_path, monkeypatch):
    monkeypatch.setenv("MLRAG_DATA_DIR", str(tmp_path / "var"))
    row = {
        "example_id": 1,
        "queries": {"ar": "أين ينبع النيل الأزرق؟"},
        "answers": {"ar": [{"type": "entity", "text": "بحيرة تانا"}]},
    }
    path = tmp_path / "mkqa.jsonl"
    path.write_text(json.dumps(row), encoding="utf-8")
    with FakeOllama(reply=lambda _body: "من بحيرة تانا") as double:
        monkeypatch.setenv("MLRAG_OLLAMA_HOST", double.url)
        done = tiers("--data", str(path), "--variants", "e4b", "--out", str(tmp_path))
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert list(found["variants"]) == ["e4b (closed book)"]
    assert found["variants"]["e4b (closed book)"]["languages"]["ar"]["metrics"]["contains"]["value"] == 1.0
    assert found["signature"]["suite"]["name"] == "MKQA"


def test_a_set_without_answer_texts_has_nothing_to_ask_a_closed_book(tmp_path, monkeypatch):
    monkeypatch.setenv("MLRAG_DATA_DIR", str(tmp_path / "var"))
    judged = [{"docid": "1", "title": "झील", "text": "झील 40 मीटर गहरी है।"}]
    row = {"query_id": "1", "query": "झील कितनी गहरी है?", "positive_passages": judged, "negative_passages": []}
    (tmp_path / "hindi.jsonl").write_text(json.dumps(row), encoding="utf-8")
    done = tiers("--data", str(tmp_path / "hindi.jsonl"), "--closed-book", "--out", str(tmp_path))
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)["variants"]
    assert found["extractive"]["languages"]["hi"]["n"] == 1
    assert found["extractive (closed book)"]["languages"]["hi"]["reason"] == "there was nothing to ask"
    assert "did not run: there was nothing to ask" in (tmp_path / "tiers.md").read_text(encoding="utf-8")


def test_multiple_choice_without_passages_is_sent_to_its_own_command(tmp_path, monkeypatch):
    monkeypatch.setenv("MLRAG_DATA_DIR", str(tmp_path / "var"))
    row = {"sample_id": "1", "question": "?", "answer": "A"} | {f"option_{c}": c for c in "abcd"}
    path = tmp_path / "si.jsonl"
    path.write_text(json.dumps(row), encoding="utf-8")
    done = tiers("--data", str(path))
    assert done.exit_code == 1
    assert "python -m eval.choice" in " ".join(done.stderr.split())
