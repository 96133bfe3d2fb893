"""The items say the same in every language, their answers follow from the table, and gains are measured as they are."""

import json
from itertools import permutations, product

import pytest
import typer
from typer.testing import CliRunner

import eval.reasoning.__main__ as command
from eval.baselines.reasoning import Knowing, make_wrong_answer
from eval.reasoning.__main__ import make_ladder
from eval.reasoning.items import make_examples, make_question, read_items, read_options, read_texts
from eval.reasoning.metrics import compute_accuracy, compute_gain, format_tokens, list_comparisons
from eval.reasoning.parse_answer import parse_answer
from eval.runner.rows import predict
from eval.types import Example, Prediction
from mlrag.languages import language, languages
from mlrag.testing import FakeOpenAI
from mlrag.text.detect import in_language
from mlrag.text.tokens import numbers

ITEMS = {item.id: item for item in read_items()}
ANSWERS = {
    "shop": lambda a, b, c: a * b - c,
    "bus": lambda a, b, c, d: a - b + c - d,
    "wages": lambda a, b, c: a * b / c,
    "tank": lambda a, b, c: a / (b - c),
    "age": lambda a, b, c: a / b + c,
    "coat": lambda a, b, c: a * (100 - b) / 100 + c,
    "train": lambda a, b, c, d: a * b + c * d,
    "fence": lambda a, b, c: 2 * (a + b) / c,
    "eggs": lambda a, b: a % b,
    "pages": lambda a, b, c: sum(a + b * day for day in range(c)),
    "marks": lambda a, b, c: (a * b + c) / (a + 1),
    "hands": lambda a: sum(range(a)),
    "tea": lambda a, b, c, d: b + c - (a - d),
}
WORLDS = [dict(zip(("x", "y", "z"), world, strict=True)) for world in product((False, True), repeat=3)]


def told(follows, fits):
    """0 where it is so in every world that fits, 1 where in none, 2 where in some: yes, no, cannot be known."""
    found = {follows(w) for w in WORLDS if fits(w)}
    return 2 if len(found) == 2 else int(not found.pop())


def only(orders):
    (found,) = orders
    return found


def tallest():
    """Places from the tallest down: anna over ben, ben over clara over david."""
    return only({o[1] for o in permutations(range(4)) if o.index(0) < o.index(1) < o.index(2) < o.index(3)})


def line():
    fits = (o for o in permutations(range(4)) if o.index(1) == o.index(0) + 1 and o[3] == 2 and o[0] != 3)
    return only({o[2] for o in fits})


def boxes():
    """Red: it is in 0; blue: not in 1; green: not in 0."""
    return only({ring for ring in range(3) if [ring == 0, ring != 1, ring != 0].count(True) == 1})


def jobs():
    """Who has job 1 of doctor 0, teacher 1, farmer 2."""
    return only({o.index(1) for o in permutations(range(3)) if o[0] != 0 and o[1] not in (0, 1)})


def opening():
    """market 0, bakery 1, bank 2, school 3."""
    orders = (o for o in permutations(range(4)) if o.index(0) < o.index(1) < o.index(2) < o.index(3))
    return only({o[1] for o in orders})


PLACES = {
    "tallest": tallest,
    "line": line,
    "boxes": boxes,
    "jobs": jobs,
    "opening": opening,
    "walk": lambda: (0 + 1 + 1 - 1) % 4,  # north, right, right, left
    "weekday": lambda: (2 + ITEMS["weekday"].numbers["a"]) % 7 - 3,  # from Wednesday 2; Thursday is the first option
    # x: bakes, y: has a bicycle, z: has a boat
    "baker": lambda: told(lambda w: w["z"], lambda w: w["x"] and (w["y"] or not w["x"]) and not (w["y"] and w["z"])),
    "swim": lambda: told(lambda w: w["y"], lambda w: w["x"]),
    "rain": lambda: told(lambda w: w["x"], lambda w: (w["y"] or not w["x"]) and not w["y"]),
    "lamp": lambda: told(lambda w: w["y"], lambda w: (w["y"] or not w["x"]) and not w["x"]),
}


@pytest.mark.parametrize("item", read_items(), ids=lambda item: item.id)
def test_the_stored_answer_is_what_follows(item):
    if item.place is None:
        assert item.answer == ANSWERS[item.id](**item.numbers)
    else:
        assert item.place == PLACES[item.id]()


def test_there_are_twelve_of_each_kind_and_a_limit_keeps_both():
    assert [sum(i.kind == k for i in read_items()) for k in ("arithmetic", "deduction")] == [12, 12]
    assert [e.kind for e in make_examples("en", 4)] == ["arithmetic", "deduction"] * 2


@pytest.mark.parametrize("code", list(languages()))
def test_every_language_has_every_item_with_the_same_numbers(code):
    found = read_texts(code)
    assert found["native_checked"] is False
    assert set(found["text"]) == set(ITEMS)
    assert set(found["options"]) == {i.options for i in read_items() if i.place is not None}
    for item in read_items():
        text = make_question(item, code)
        assert numbers(text) == {str(v) for v in item.numbers.values()}, (item.id, text)
        assert in_language(text, language(code)), (item.id, text)
        assert len(read_options(item, code)) == len(read_options(item, "en"))
    for item in (ITEMS["tallest"], ITEMS["line"], ITEMS["jobs"]):
        assert all(name.rstrip("்") in make_question(item, code) for name in read_options(item, code)), (
            item.id
        )  # a pulli gives way


@pytest.mark.parametrize("code", list(languages()))
def test_an_answer_written_as_asked_is_read_and_so_is_a_wrong_one(code):
    label = language(code).prompt["answer"]
    for e in make_examples(code):
        assert "{" not in e.question
        assert label in e.question
        for said in e.options or (e.answers[0], "1250"):
            assert parse_answer(f"3 + 4\n{label}: {said}.", e) == said
            assert parse_answer(f"**{label}:** **{said}**\n\n", e) == said
        assert parse_answer(f"{label}: {make_wrong_answer(e)}", e) not in (None, e.answers[0])
        assert parse_answer(f"{label}: …", e) is None


@pytest.mark.parametrize(
    ("lang", "text", "expected"),
    [
        ("en", "14 × 12 = 168\nAnswer: 133", "133"),
        ("en", "Answer: 168 - 35 = 133 pencils", "133"),
        ("en", "Answer: 133 or 134", None),
        ("en", "Answer: 133\nI hope that helps.", None),
        ("en", "", None),
        ("hi", "उत्तर: १३३", "133"),
        ("ar", "الجواب: ١٬٢٥٠", "1250"),
        ("bn", "উত্তর: ১৩৩টি", "133"),
        ("zh", "答案：１３３支", "133"),
        ("de", "Antwort: 1.250", "1250"),
    ],
)
def test_the_last_line_is_read_in_any_digits(lang, text, expected):
    assert parse_answer(text, Example("x", lang, "?", True, ("133",))) == expected


def test_two_options_are_no_answer_and_north_is_told_from_the_label():
    walk = next(e for e in make_examples("hi") if e.id == "walk")
    assert parse_answer("उत्तर: उत्तर", walk) == "उत्तर"
    assert parse_answer("उत्तर: पूर्व", walk) == "पूर्व"
    assert parse_answer("उत्तर: पूर्व या दक्षिण", walk) is None


def answered(codes, share, written=40):
    found = {}
    for code in codes:
        asked = make_examples(code)
        found[code] = [(e, predict(Knowing(asked, share, written), e, "v")) for e in asked]
    return found


def test_known_shares_and_gains_are_measured_and_failures_are_in_neither():
    codes = ["en", "ta", "zh"]
    small, large, thinking = answered(codes, 0.5), answered(codes, 0.625), answered(codes, 0.75, 400)
    assert compute_accuracy(small, codes).value == 0.5
    assert 0.5 in compute_accuracy(small, codes).interval
    assert compute_gain(thinking, small, codes).value == pytest.approx(0.25)
    assert compute_gain(large, small, codes).value == pytest.approx(0.125)
    assert compute_gain(thinking, large, codes).value == pytest.approx(0.125)
    assert format_tokens(thinking, large, codes) == "400 / 40"
    e, _ = small["en"][0]
    small["en"][0] = (e, Prediction(e.id, "v", error="no server"))
    assert (compute_gain(thinking, small, codes).n, compute_accuracy(small, codes).n) == (71, 71)


def test_every_rung_is_compared_with_itself_and_with_the_next():
    assert list_comparisons(make_ladder(["e2b", "e4b"], ["off", "on"])) == [
        ("thinking", "e2b+think", "e2b"),
        ("thinking", "e4b+think", "e4b"),
        ("one size up", "e4b", "e2b"),
        ("thinking or one size up", "e2b+think", "e4b"),
    ]
    assert make_ladder(["e2b+think"], ["off"]) == [("e2b", None)]
    assert make_ladder(["e2b"], ["on"]) == [("e2b+think", None)]
    with pytest.raises(ValueError, match="off, on"):
        make_ladder(["e2b"], ["maybe"])


def test_the_command_asks_with_and_without_thinking_and_goes_on_where_it_stopped(tmp_path, monkeypatch):
    monkeypatch.setenv("MLRAG_DATA_DIR", str(tmp_path / "var"))
    app = typer.Typer()
    app.command()(command.main)
    by_prompt = {e.question: e for code in ("en", "si") for e in make_examples(code, 4)}

    def reply(body):
        e = by_prompt[body["messages"][-1]["content"]]
        thinks = (body.get("chat_template_kwargs") or {}).get("enable_thinking")
        return f"{language(e.lang).prompt['answer']}: {e.answers[0] if thinks else make_wrong_answer(e)}"

    with FakeOpenAI(reply=reply) as double:
        monkeypatch.setenv("MLRAG_OPENAI_URL", double.url + "/v1")
        args = ["--langs", "en,si", "--limit", "4", "--variants", "openai:gemma4:e4b", "--thinking", "off,on", "--json"]
        result = CliRunner().invoke(app, args)
        assert result.exit_code == 0, result.output
        assert json.loads(CliRunner().invoke(app, args).stdout) == json.loads(result.stdout)
        assert len(double.requests) == 16
    found = json.loads(result.stdout)
    assert found["run"].startswith("reasoning-")
    assert found["models"] == ["openai:gemma4:e4b [stand-in]", "openai:gemma4:e4b [stand-in]+think"]
    alone, thought = [r for r in found["sections"]["Right answers"] if r["group"] == "all"]
    assert (alone["all items"]["value"], thought["all items"]["value"]) == (0.0, 1.0)
    moved = found["sections"]["Thinking against one size up"][0]
    assert moved["what"] == "thinking"
    assert moved["points"].startswith("+100.0 [")
    assert (tmp_path / "var" / "reports" / found["run"] / "index.html").is_file()
    with FakeOpenAI(reply=reply, fault="length") as double:
        monkeypatch.setenv("MLRAG_OPENAI_URL", double.url + "/v1")
        args = ["--langs", "en", "--limit", "2", "--variants", "openai:gemma4:e4b+think", "--thinking", "on", "--json"]
        cut = json.loads(CliRunner().invoke(app, args).stdout)["sections"]["Right answers"][0]
    assert (cut["all items"]["n"], cut["unfinished"], cut["failed"]) == (2, "2 of 2", "")
    refused = CliRunner().invoke(app, ["--variants", "extractive"])
    assert refused.exit_code == 1
    assert "not a single model" in refused.output
