"""A training set teaches the form that is asked for, and nothing that is evaluated on."""

import json
from dataclasses import replace
from io import StringIO

import pytest
import regex
from rich.console import Console
from typer.testing import CliRunner

from eval.consistency import read_rewordings
from eval.datasets.own import own_questions
from eval.sft.command import Exporter, ExportFiles, write
from eval.sft.compose import find_fault
from eval.sft.export import SplitPlan
from eval.sft.leaks import KeepOut, LeakError, Leaks, dice, group_overlapping, letters, overlap, read_keep_out
from eval.sft.records import Draft
from eval.types import Example
from mlrag.answering.retriever import Retriever
from mlrag.cli.main import app
from mlrag.documents.readers import read_document
from mlrag.generation.replies import parse
from mlrag.index.local.indexes import FolderIndexes
from mlrag.ingest.index_documents import index_documents
from mlrag.languages import language
from mlrag.settings import Settings
from mlrag.testing import FakeOpenAI
from mlrag.testing.server import prompt_of
from mlrag.text.sentences import sentence_spans
from mlrag.types import Document
from tests.conftest import CORPORA

run = CliRunner()
LANGS = ["en", "si", "ta", "zh", "ar"]
QUIET = Console(file=StringIO())


def documents(lang):
    """The packs' own little passages: a bakery, a bridge, and sentences of everyday life."""
    pack = language(lang)
    bakery, bridge = (s.passage for s in pack.shots)
    texts = {"bakery": bakery, "bridge": bridge, "mixed": " ".join(pack.sample_sentences)}
    return [Document(f"{lang}-{name}", lang, text, meta={"licence": "CC0"}) for name, text in texts.items()]


def first_sentence_of(text):
    span = sentence_spans(text)[0]
    return text[span.start : span.end]


def brought(lang):
    """The first shot is answered by the bakery, the second by nothing."""
    pack = language(lang)
    first, second = pack.shots
    answered = Example("open", lang, first.question, True, (first.answer,), (f"{lang}-bakery",))
    silent = Example("long", lang, second.question, False)
    return [Draft(answered, first.answer, first_sentence_of(first.passage)), Draft(silent)]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory, embedder):
    """The little documents of all the languages, indexed: the data folder."""
    folder = tmp_path_factory.mktemp("sft")
    index_documents([d for lang in LANGS for d in documents(lang)], FolderIndexes(folder / "index"), embedder)
    return folder


@pytest.fixture
def exporter(data_dir, embedder):
    def made(lang, plan, keep_out=None, **settings):
        all_settings = Settings(data_dir=data_dir, **settings)
        parts = Retriever(FolderIndexes(all_settings.index_dir), embedder), keep_out or KeepOut()
        return Exporter(all_settings, language(lang), *parts, plan)

    return made


@pytest.mark.parametrize("lang", LANGS)
def test_a_row_is_what_the_prompt_asks_for_and_what_the_guard_lets_pass(exporter, lang):
    one = exporter(lang, SplitPlan(validation=0, abstentions=0.5))
    export = one.run(brought(lang), None, "extractive", QUIET)
    assert [r.kind for r in export.rows] == ["answered", "unanswerable"] and not export.left_out
    answered, silent = export.rows
    turns = answered.conversation("messages")["messages"]
    assert [t["role"] for t in turns] == ["system", "user", "assistant"]
    parsed = parse(turns[-1]["content"])
    shown = turns[1]["content"]
    assert f"[{parsed.quotes[0].hit}] ¦ {documents(lang)[0].text}" in shown
    evidence = replace(one.retriever.search(answered.question, lang), hits=())
    assert find_fault(answered.reply, evidence, language(lang)).startswith("quote_not_found")
    assert silent.reply == language(lang).abstention


def test_hiding_the_document_makes_an_abstention(exporter):
    one = exporter("si", SplitPlan(validation=0, abstentions=0.5))
    rows = one.run(brought("si")[:1], None, "extractive", QUIET).rows
    assert [(r.id, r.kind) for r in rows] == [("open", "answered"), ("open~hidden", "document_hidden")]
    assert "si-bakery" not in rows[1].documents


def test_no_document_is_in_both_splits_and_the_seed_decides(exporter):
    def split(seed):
        one = exporter("zh", SplitPlan(seed=seed, validation=0.34))
        return one.run(brought("zh"), None, "extractive", QUIET)

    export = split(1)
    train, validation = export.available.ids("train"), export.available.ids("validation")
    assert train | validation == {d.id for d in documents("zh")}
    assert not train & validation
    assert all(set(r.documents) <= export.available.ids(r.split) for r in export.rows)
    assert export.rows == split(1).rows
    assert len({frozenset(split(seed).available.ids("validation")) for seed in range(6)}) > 1


@pytest.mark.parametrize("lang", ["si", "zh", "ar"])
def test_what_is_evaluated_on_is_recognised_under_any_name(lang, embedder):
    kept = read_document(CORPORA / lang / "tea.md", lang)
    leaks = Leaks(KeepOut([], {}, {kept.id}, {kept.id: kept.text}), language(lang), embedder)
    other = documents(lang)[0]

    def reason(document):
        found = leaks.check_document(document, [document.text])
        return found and found.reason.split(":")[0]

    assert reason(kept) == "id"
    assert reason(replace(kept, id="mine")) == "same_content"
    assert reason(replace(other, text=f"{other.text} {kept.text[: len(other.text)]}")) == "overlap"
    assert reason(other) is None


@pytest.mark.parametrize("lang", ["en", "si", "ar"])
def test_a_question_in_other_words_is_the_same_question(lang, embedder):
    own = own_questions(lang)
    leaks = Leaks(KeepOut([], {(lang, e.question): e.id for e in own}), language(lang), embedder)
    again = [Draft(e) for e in read_rewordings(lang, own)]
    found = {out.id: out for out in leaks.check_questions(again)}
    near = [d for d in again if d.example.id in found and found[d.example.id].near == d.example.id.split("~")[0]]
    assert len(near) >= 0.6 * len(again)
    # the first alone: "How long is the bridge?" is within 0.002 of the limit, and versions of ONNX differ by as much
    assert leaks.check_questions(brought(lang)[:1]) == []
    assert leaks.check_questions([Draft(replace(own[0], id="mine"))])[0].reason == "same_question"


def test_a_file_with_a_leak_is_not_kept(exporter, tmp_path):
    one = exporter("si", SplitPlan(validation=0, abstentions=0))
    export = one.run(brought("si"), None, "extractive", QUIET)
    files = ExportFiles.at(tmp_path / "set.jsonl")
    write(files, export, one, {}, "messages")
    before = files.train.read_bytes()
    held = Leaks(KeepOut([], {}, {"x"}, {"x": documents("si")[0].text}), one.lang, one.retriever.embedder)
    with pytest.raises(LeakError, match="a passage that is evaluated on"):
        write(files, replace(export, leaks=held), one, {}, "prompt-completion")
    asked = Leaks(KeepOut([], {("si", export.rows[0].question): "theirs"}), one.lang, one.retriever.embedder)
    with pytest.raises(LeakError, match="asks what theirs asks"):
        write(files, replace(export, leaks=asked), one, {}, "messages")
    assert files.train.read_bytes() == before and not list(tmp_path.glob("*.tmp"))


def _scripted(lang):
    """Writes the shot's question of the bakery, and answers with its first sentence; a wrong quote of the bridge."""
    first, second = language(lang).shots
    sentence = first_sentence_of(first.passage)

    def reply(body):
        prompt = prompt_of(body)
        if "response_format" in body:
            said = {"question": "", "answer": "", "quote": ""}
            if first.passage in prompt:
                said = {"question": first.question, "answer": first.answer, "quote": sentence}
            elif second.passage in prompt:
                said = {"question": second.question, "answer": first.answer, "quote": sentence}
            return json.dumps(said, ensure_ascii=False)
        number = regex.search(rf"\[(\d)\] ¦ {regex.escape(first.passage)}", prompt)
        return f'[{number[1]}] "{sentence}"\n---\n{sentence} [{number[1]}]' if number else language(lang).abstention

    return reply


@pytest.mark.parametrize("lang", ["si", "zh", "ar"])
def test_a_written_question_is_kept_when_the_way_back_leads_to_its_sentence(exporter, lang):
    with FakeOpenAI(reply=_scripted(lang), models=("writer", "mute")) as double:
        one = exporter(lang, SplitPlan(validation=0, abstentions=0), openai_url=f"{double.url}/v1")
        export = one.run([], "openai:writer", "openai:writer", QUIET)
        asked = len(double.requests)
        again = one.run([], "openai:writer", "openai:writer", QUIET)
        assert len(double.requests) == asked + 1  # asked back once more; nothing is written again
        double.reply = lambda body: language(lang).abstention
        lost = one.run([], "openai:writer", "openai:mute", QUIET).left_out
    assert [r.question for r in export.rows] == [language(lang).shots[0].question] and again.rows == export.rows
    assert "stand-in" in export.rows[0].source
    assert sorted(x.reason for x in export.left_out) == ["nothing_worth_asking", "quote_not_in_the_passage"]
    assert any(x.reason.startswith("not_answered_by:") for x in lost)


def test_the_command_writes_files_a_card_and_what_it_left_out(data_dir, tmp_path, monkeypatch):
    monkeypatch.setenv("MLRAG_DATA_DIR", str(data_dir))
    own = own_questions("si")[0]
    asked = [
        {"id": d.example.id, "question": d.example.question, "answerable": d.example.answerable} for d in brought("si")
    ]
    asked[0] |= {"answers": ["හතට"], "gold_docs": ["si-bakery"]}
    asked.append({"id": "theirs", "question": own.question, "answerable": True, "answers": list(own.answers)})
    mine = tmp_path / "mine.jsonl"
    mine.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in asked), encoding="utf-8")
    given = ["export-sft", "--lang", "si", "--questions", str(mine), "--validation", "0", "--abstentions", "0.5"]
    done = run.invoke(app, [*given, "--out", str(tmp_path / "set"), "--json"])
    assert done.exit_code == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["statistics"]["train"]["kinds"] == {"answered": 1, "unanswerable": 1}
    assert [x["reason"] for x in report["left_out"] if x["id"] == "theirs"] == ["same_question"]
    rows = [json.loads(line) for line in (tmp_path / "set" / "train.jsonl").read_text("utf-8").splitlines()]
    assert len(rows) == report["audited_rows"] == 2
    assert not (tmp_path / "set" / "validation.jsonl").exists()
    card = (tmp_path / "set" / "README.md").read_text("utf-8")
    assert "| si-bakery |" in card and "CC0" in card
    assert json.loads((tmp_path / "set" / "leaks.json").read_text("utf-8")) == report


def test_the_command_says_what_is_missing(data_dir, monkeypatch):
    monkeypatch.setenv("MLRAG_DATA_DIR", str(data_dir))
    assert "--keep-out" in run.invoke(app, ["export-sft", "--help"], env={"COLUMNS": "200"}).stdout
    nothing = run.invoke(app, ["export-sft", "--lang", "si"])
    assert nothing.exit_code == 1 and "--questions FILE" in nothing.stderr


def test_questions_of_every_language_of_runs_and_of_a_named_set_are_kept_out(tmp_path):
    mine = tmp_path / "set.jsonl"
    mine.write_text('{"qid": "q1", "lang": "ta", "question": "எது?", "answers": ["இது"], "gold_pids": ["p7"]}', "utf-8")
    old = {"id": "r1", "lang": "zh", "question": "哪条河？", "answerable": True, "gold_docs": ["p8"], "hidden": []}
    plan = tmp_path / "runs" / "before" / "plan.json"
    plan.parent.mkdir(parents=True)
    plan.write_text(json.dumps({"signature": {}, "examples": {"zh": [old]}}), "utf-8")
    found = read_keep_out(Settings(data_dir=tmp_path), [mine], "ta")
    assert found.questions["zh", "哪条河？"] == "run before: r1" and "p8" in found.documents
    assert {"si-tea", "zh-tea", "p7"} <= found.documents
    assert found.questions["ta", "எது?"].endswith("q1")


@pytest.mark.parametrize(
    ("text", "other", "length", "expected"),
    [
        ("abcd", "xxabcdxx", 4, 1.0),
        ("abcdef", "abcd", 4, 1 / 3),  # abcd bcde cdef
        ("中国茶叶", "《中国茶》叶", 4, 1.0),
        ("سور برلين", "سُور بَرلين", 8, 0.0),  # marks count
        ("තේ වතු", "තේවතු", 3, 1.0),
        ("…", "…", 4, 0.0),
    ],
)
def test_overlap_counts_runs_of_letters(text, other, length, expected):
    assert overlap(text, {letters(other)[i : i + length] for i in range(len(letters(other)))}, length) == pytest.approx(
        expected
    )


def test_dice_and_groups():
    assert dice("abcde", "abcdx") == pytest.approx(2 * 1 / (2 + 2))  # abcd bcde, abcd bcdx
    texts = {"a": "தேயிலை மலை", "b": "தேயிலை மலையில்", "c": "கடல்"}
    assert group_overlapping(texts, 4, 0.5) == [("a", "b"), ("c",)]
