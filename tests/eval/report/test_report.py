"""The report: whole, safe whatever documents hold, readable in every script, the same each time."""

import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.datasets.own import article_removed
from eval.metrics.selective import Point
from eval.report.charts import (
    Curve,
    LadderLine,
    LadderStep,
    Spot,
    cost,
    interval_bar,
    ladder,
    risk_coverage,
    scatter,
    waterfall,
)
from eval.report.definitions import TITLES, anchor, definitions
from eval.report.examples import AnalysedRow, sample_rows, select_worst, text_direction
from eval.report.failure_analysis import DESCRIPTIONS, FailureStage, classify_failure, count_losses
from eval.report.marks import CITED, REFERENCE, MarkedSpan, cut_text, find_numbers, find_strings
from eval.report.pages import Tables, write_pages
from eval.report.svg import Scale, spread
from eval.report.tables import COLUMNS, DETAILS
from eval.results.jsonable import shorten_variant
from eval.results.metric_value import NO_VALUE, MetricValue
from eval.results.run_report import RunReport, VariantReport
from eval.results.scores import group_by_metric, score_rows, summarise
from eval.statistics import Interval
from eval.types import CitedSpan, Example, Prediction
from mlrag.languages import language
from mlrag.text.sentences import sentence_spans

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\" onload='x' &amp; {{ 7 * 7 }} \u202e"
TEXTS = {  # question, passage, reference
    "en": ("How long is the river?", "The river. The river is 120 miles long.", "120 miles"),
    "zh": ("这条河有多长?", "河。这条河全长120公里。", "120公里"),
    "ar": ("ما طول النهر؟", "النهر. طول النهر ١٢٠ كيلومترًا.", "١٢٠ كيلومترًا"),
    "hi": ("नदी कितनी लंबी है?", "नदी। नदी १२० किलोमीटर लंबी है।", "१२० किलोमीटर"),
    "ta": ("ஆறு எவ்வளவு நீளம்?", "ஆறு. ஆறு 120 கிலோமீட்டர் நீளம்.", "120 கிலோமீட்டர்"),
    "si": ("ගඟ කොපමණ දිග ද?", "ගඟ. ගඟ කිලෝමීටර් 120ක් දිග ය.", "කිලෝමීටර් 120"),
}


def rows(lang, variant, extra=""):
    """An answerable question and its removed twin, answered with the passage's second sentence."""
    question, passage, reference = TEXTS[lang]
    asked = Example(f"river-1{extra}", lang, question + extra, True, (reference,), (f"{lang}-river",), cluster="river")
    start = sentence_spans(passage)[1].start
    said = Prediction(
        asked.id,
        variant,
        text=passage[start:] + extra,
        passages=(passage + extra, "…"),
        citations=(CitedSpan(f"{lang}-river{extra}", 0, 0, len(passage) - start),),
        quotes=(passage[start:],),
        hit_docs=(f"{lang}-river",),
        confidence=0.9,
        warnings=(f"weak{extra}",),
        model="stand-in" if variant == "e4b" else variant,
        seconds=0.5,
    )
    gone = article_removed(asked)
    twin = Prediction(gone.id, variant, text=language(lang).abstention, abstained=True, seconds=0.5, confidence=0.1)
    return [(asked, said), (gone, twin)]


def failed(lang, reason):
    return [(e, Prediction(e.id, "e2b", error=reason)) for e, _ in rows(lang, "e2b")]


def variant(details):
    scored, values = {}, {}
    for code, found in details.items():
        examples, predictions = zip(*found, strict=True)
        values[code] = score_rows(examples, predictions, language(code))
        scored[code] = summarise(group_by_metric(examples, values[code]), predictions)
    tiers = {f"T{language(code).tier}": report for code, report in scored.items()}
    models = sorted({p.model for found in details.values() for _, p in found if p.model})
    return VariantReport(models, False, tiers, scored, {}, values, details)


@pytest.fixture(scope="module")
def result():
    langs = list(TEXTS)
    return RunReport(
        "abc123",
        {"data": "our own questions", "langs": langs, "limit": None, "seed": 0, "k": 5},
        {
            "extractive": variant(
                {code: rows(code, "extractive") + rows(code, "extractive", HOSTILE) for code in langs}
            ),
            "e4b": variant({code: rows(code, "e4b") for code in langs}),
            "e2b": variant({code: failed(code, f"no server {HOSTILE}") for code in langs}),
        },
        [],
    )


def written(folder, result):
    folder.mkdir(exist_ok=True)
    titles = [title for _, title in COLUMNS], [title for _, title in DETAILS]
    write_pages(folder, result, Tables([["e4b", "T1", "2", HOSTILE]], titles[0], [["e4b", "T1", HOSTILE]], titles[1]))
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


@pytest.fixture(scope="module")
def report(tmp_path_factory, result):
    return written(tmp_path_factory.mktemp("report"), result)


class Page(HTMLParser):
    """Elements with their attributes, in order."""

    def __init__(self, source):
        super().__init__()
        self.elements = []
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def all(self, tag, **wanted):
        return [a for t, a in self.elements if t == tag and wanted.items() <= a.items()]

    @property
    def ids(self):
        return [a["id"] for _, a in self.elements if "id" in a]


@pytest.fixture(scope="module")
def parsed(report):
    return {name: Page(source) for name, source in report.items()}


def test_there_is_a_page_for_the_table_the_definitions_and_each_language(report):
    assert set(report) == {"index.html", "definitions.html", *(f"{code}.html" for code in TEXTS)}


def test_every_link_leads_to_a_place_in_the_report(parsed):
    for name, page in parsed.items():
        for link in page.all("a"):
            if "href" in link:
                target, _, place = link["href"].partition("#")
                assert not place or place in parsed[target or name].ids, link


@pytest.mark.parametrize("title", sorted(TITLES))
def test_every_column_is_defined_one_click_away(title, parsed):
    link = {"href": f"definitions.html#{anchor(title)}"}
    assert parsed["index.html"].all("a", **link) or parsed["si.html"].all("a", **link)
    assert anchor(title) in parsed["definitions.html"].ids


def test_the_definitions_are_the_documentation_itself():
    assert "harmonic mean of A and S" in definitions()
    assert '<a id="halluc-near-miss"></a>' in definitions()


def test_no_page_loads_or_runs_anything(report, parsed):
    for name, page in parsed.items():
        assert {tag for tag, _ in page.elements}.isdisjoint({"script", "img", "link", "iframe", "object", "base"}), name
        assert not [a for _, a in page.elements if any(key.startswith("on") or key == "src" for key in a)], name
        assert "url(" not in report[name] and "@import" not in report[name]
        assert page.all("meta", **{"http-equiv": "Content-Security-Policy"})


@pytest.mark.parametrize("lang", TEXTS)
def test_what_documents_hold_stays_text(lang, report):
    page = report[f"{lang}.html"]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script" not in page and "<img" not in page
    assert "{{ 7 * 7 }}" in page


@pytest.mark.parametrize("lang", TEXTS)
def test_texts_say_their_language_and_direction_and_have_its_fonts(lang, report, parsed):
    pack = language(lang)
    page = parsed[f"{lang}.html"]
    for tag in ("blockquote", "p", "bdi"):
        assert page.all(tag, lang=lang, dir=pack.direction)
    fonts = ", ".join(f if f in ("system-ui", "sans-serif") else f'"{f}"' for f in pack.font_stack)
    assert f":lang({lang}) {{ font-family: {fonts}; }}" in report["index.html"]
    assert pack.endonym in report["index.html"]


def test_a_right_to_left_language_keeps_foreign_replies_apart():
    assert text_direction("طول النهر 120 WHO.", language("ar")) == "rtl"
    assert text_direction("The river is long.", language("ar")) == "auto"
    assert text_direction("طول النهر", language("en")) == "auto"
    assert text_direction("120", language("ar")) == "rtl"


def test_cited_words_are_marked_in_answer_and_passage(report):
    marked = '<mark class="cited">The river is </mark><mark class="cited reference">120 miles</mark>'
    assert report["en.html"].count(marked) >= 2  # in the answer and in the passage
    assert "&NoBreak;<sup>[1]</sup>" in report["si.html"]


def test_stand_ins_and_what_did_not_run_are_told_apart(report):
    for page in ("index.html", "si.html"):
        assert "Stand-ins answered here." in report[page]
        assert re.search(r"e2b</bdi> did not run:</b> <bdi>no server &lt;script", report[page])
    assert "e4b (stand-in)" in report["index.html"]
    assert "extractive (stand-in)" not in report["index.html"]


def test_what_no_native_reader_checked_is_said(report):
    assert "No native reader has checked" in report["index.html"]
    assert "of the 6 languages" in report["index.html"]
    assert "samples of this language" in report["si.html"]


def test_the_signature_is_shown_whole(report):
    for value in ("our own questions", "en, zh, ar, hi, ta, si", "abc123"):
        assert value in report["index.html"]


def test_the_same_run_gives_the_same_bytes(tmp_path, result, report):
    assert written(tmp_path / "again", result) == report


def test_drawings_are_sound_and_tell_what_they_show(report, parsed):
    for name, source in report.items():
        ids = Counter(parsed[name].ids)
        assert not [i for i, count in ids.items() if count > 1], name
        for svg in re.findall(r"<svg.*?</svg>", source, re.DOTALL):
            root = ElementTree.fromstring(svg)
            if root.get("role") == "img":
                assert root[0].tag == "title" and root[1].tag == "desc" and root[0].text and root[1].text
                assert root.get("aria-labelledby") == f"{root[0].get('id')} {root[1].get('id')}"
            else:
                assert root.get("aria-hidden") == "true"


def test_every_drawing_is_there(parsed):
    drawn_ids = set(parsed["index.html"].ids)
    assert {"ladder-summary-title", "ladder-contains-title", "ladder-hallucination-near-miss-title"} <= drawn_ids
    assert {"retrieval-0-title", "risk-0-title", "cost-title"} <= drawn_ids
    assert {"lost-0-title", "lost-1-title", "risk-title"} <= set(parsed["hi.html"].ids)


def test_a_run_in_which_nothing_ran_still_has_its_pages(tmp_path):
    only = {"e2b": variant({"ta": failed("ta", "no server")})}
    result = RunReport("x", {"data": "ours", "langs": ["ta"]}, only, [])
    pages = written(tmp_path / "none", result)
    assert "e2b</bdi> did not run:" in pages["index.html"] and "No variant ran here." in pages["ta.html"]


# What became of a question


def row(text, *, lang="en", answerable=True, hits=("d",), **more):
    example = Example("q", lang, "?", answerable, ("120 miles",) if answerable else (), ("d",))
    passages = more.pop("passages", ("It is 120 miles long.",))
    return example, Prediction("q", "v", text=text, hit_docs=hits, passages=passages, citations=(), **more)


def without_citations(text):
    """A row of before citations were kept."""
    example, prediction = row(text)
    return example, replace(prediction, citations=None)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (row("It is 120 miles long."), FailureStage.RIGHT),
        (row("It is 120 miles long.", hits=("other",)), FailureStage.RIGHT),
        (row("It is 80 miles long.", hits=("other",)), FailureStage.NOT_FOUND),
        (row("", abstained=True, hits=()), FailureStage.NOT_FOUND),
        (row("The documents do not say."), FailureStage.ABSTAINED),
        (row("…"), FailureStage.INVALID),
        (row("Das ist der längste Fluss, 120 miles, und er fließt nach Norden."), FailureStage.LANGUAGE),
        (row("It is very long."), FailureStage.WRONG),
        (row("It is 120 miles long, or 77 hours."), FailureStage.NUMBER),
        (without_citations("It is 120 miles long, or 77 hours."), FailureStage.NUMBER),
        (without_citations("It is 120 miles long."), FailureStage.RIGHT),
        (row("It is 120 miles long.", answerable=False), FailureStage.HALLUCINATED),
        (row("The documents do not say.", answerable=False), FailureStage.RIGHTLY_ABSTAINED),
        (row("", error="no server"), FailureStage.FAILED),
        ((Example("q", "en", "?", True, ("…",), ("d",)), Prediction("q", "v", text="Long.")), FailureStage.UNSCORED),
    ],
)
def test_a_question_is_lost_at_the_first_place(told, expected):
    example, prediction = told
    assert classify_failure(*told, score_rows([example], [prediction], language("en"))[0]) is expected


def test_every_stage_has_a_description():
    assert set(DESCRIPTIONS) == set(FailureStage)


def test_the_steps_of_the_waterfall_hold_every_scored_question():
    stages = [
        FailureStage.RIGHT,
        FailureStage.WRONG,
        FailureStage.WRONG,
        FailureStage.NOT_FOUND,
        FailureStage.UNSCORED,
        FailureStage.FAILED,
    ]
    steps = count_losses(stages)
    assert sum(count for _, _, count in steps) == 4
    assert [count for _, kind, count in steps if kind == "wrong"] == [2]
    assert "invalid" not in {kind for _, kind, _ in steps}


def test_worst_takes_each_kind_in_turn_and_the_surest_first():
    def made(name, what, confidence):
        return AnalysedRow(Example(name, "en", "?", True), Prediction(name, "v", confidence=confidence), what)

    found = select_worst(
        [
            made("w1", FailureStage.WRONG, 0.2),
            made("w2", FailureStage.WRONG, 0.9),
            made("h1", FailureStage.HALLUCINATED, None),
            made("h2", FailureStage.HALLUCINATED, 0.1),
            made("r", FailureStage.RIGHT, 1.0),
        ]
    )
    assert [r.example.id for r in found] == ["h2", "w2", "h1", "w1"]


def test_chance_is_seeded_and_never_asks_for_more_than_there_is():
    many = [
        AnalysedRow(Example(str(n), "en", "?", True), Prediction(str(n), "v"), FailureStage.RIGHT) for n in range(50)
    ]
    assert sample_rows(many, "0:e4b:si") == sample_rows(many, "0:e4b:si") != sample_rows(many, "1:e4b:si")
    assert len(sample_rows(many[:2], "0")) == 2


# What is marked


@given(st.text(max_size=40), st.lists(st.tuples(st.integers(-2, 45), st.integers(-2, 45)), max_size=4))
def test_the_pieces_of_a_text_are_the_text(text, spans):
    found = cut_text(text, [MarkedSpan(start, end, CITED) for start, end in spans])
    assert "".join(p.text for p in found) == text


@pytest.mark.parametrize(
    ("text", "end", "marked"),
    [
        ("ஆறு நீளம்", 2, "ஆறு"),
        ("नदी है", 1, "न"),
        ("नदी है", 2, "नदी"),
        ("ක්‍රම", 1, "ක්‍ර"),
        ("طُول", 1, "طُ"),
        ("河流", 1, "河"),
        ("river", 1, "r"),
    ],
)
def test_no_mark_ends_inside_a_written_character(text, end, marked):
    assert next(p.text for p in cut_text(text, [MarkedSpan(0, end, CITED)]) if p.kinds) == marked


def test_marks_may_overlap():
    found = cut_text("0123456789", [MarkedSpan(0, 6, CITED, 1), MarkedSpan(4, 8, REFERENCE)])
    assert [(p.text, p.kinds, p.numbers) for p in found] == [
        ("0123", ("cited",), ()),
        ("45", ("cited", "reference"), (1,)),
        ("67", ("reference",), ()),
        ("89", (), ()),
    ]


def test_numbers_from_nowhere_are_found_in_their_own_digits():
    text = "இது ௧௨௦ அல்ல, 1200"
    assert [text[p.start : p.end] for p in find_numbers(text, ["120"])] == ["௧௨௦"]


@pytest.mark.parametrize(
    ("text", "wanted", "found"),
    [
        ("٨ في ١٩٧٨", "٨", ["٨"]),
        ("8, 1980, 8th", "8", ["8", "8"]),
        ("Colombos Colombo recolombo", "colombo", ["Colombo", "Colombo"]),
        ("us, used, bus", "us", ["us"]),
        ("மெர்க்கா நகரில்", "நகர", ["நகரி"]),
        ("长江流域的江", "江", ["江", "江"]),
        ("الأردن والأردن", "الأردن", ["الأردن", "الأردن"]),
    ],
)
def test_a_reference_is_marked_where_it_stands(text, wanted, found):
    parts = find_strings(text, [wanted], REFERENCE)
    assert [p.text for p in cut_text(text, parts) if p.kinds] == found


def test_an_empty_reference_marks_nothing():
    assert find_strings("a b", ["", " "], REFERENCE) == []


# What is drawn


def test_a_scale_ends_at_its_edges():
    assert [Scale(0, 1, 100, 0)(v) for v in (-1, 0, 0.25, 1, 2)] == [100, 100, 75, 0, 0]
    assert [Scale(0.01, 100, 0, 40, log=True)(v) for v in (0, 1, 1000)] == pytest.approx([0, 20, 40])


def test_labels_are_moved_apart_and_stay_in_the_room():
    assert spread([50, 50, 52], 10, 0, 100) == [50, 60, 70]
    assert spread([98, 99], 10, 0, 100) == [90, 100]


def test_an_interval_is_drawn_where_it_lies():
    bar = interval_bar(MetricValue(0.5, 10, Interval(0.25, 0.75)))
    assert 'x="30.5"' in bar and 'width="59"' in bar and 'x="59"' in bar
    assert interval_bar(NO_VALUE) == ""


def test_names_in_drawings_are_escaped():
    figure = MetricValue(0.5, 10, Interval(0.4, 0.6))
    point = Spot(HOSTILE, 0, 0.5, figure)
    made = [
        ladder("l", HOSTILE, [LadderStep("xx", HOSTILE, 1)], [LadderLine(HOSTILE, 0, (figure,))]),
        scatter("s", HOSTILE, [point], (HOSTILE, HOSTILE)),
        cost("c", HOSTILE, [point], (HOSTILE, HOSTILE)),
        risk_coverage("r", HOSTILE, [Curve(HOSTILE, 0, (Point(1.0, 0.5),))]),
        waterfall("w", HOSTILE, 1, [(HOSTILE, "right", 1)]),
    ]
    for svg in made:
        assert {e.tag for e in ElementTree.fromstring(svg).iter()}.isdisjoint({"script", "img"})
        assert "&lt;script&gt;" in svg


@pytest.mark.parametrize(
    ("variant", "shown"),
    [
        ("llamacpp:/models/si.gguf+think", "llamacpp:si.gguf+think"),
        ("llamacpp:/models/si.gguf (closed book)", "llamacpp:si.gguf (closed book)"),
        ("openai:org/model", "openai:org/model"),
        ("e4b", "e4b"),
    ],
)
def test_tables_name_a_file_without_its_path(variant, shown):
    assert shorten_variant(variant) == shown
