"""The label page over a real HTTP server, as a rater's browser uses it."""

from contextlib import ExitStack
from html import unescape

import httpx
import pytest
import regex
import typer
from typer.testing import CliRunner

from eval.judge.exam import make_exam, score_exam
from eval.judge.items import Grade, Label
from eval.judge.judge import fingerprint
from eval.judge.labels import CANNOT_TELL, draw, measure_agreements, read_human_truth
from eval.judge.rows import read_answers
from eval.judge.verdict_columns import correct_rate
from eval.label import main, make_app, open_desk
from eval.metrics.answers import containment
from mlrag.languages import language
from tests.conftest import CORPORA
from tests.support.judging import make_run
from tests.support.serving import serving

_FIELD = regex.compile(r'name="(at|key)" value="([^"]*)"')
_ANSWER = regex.compile(r'class="answer">([^<]*)<')


@pytest.fixture
def serve():
    """Serves a desk on a free port of 127.0.0.1; gives a client."""
    with ExitStack() as servers:

        def start(desk):
            url = servers.enter_context(serving(make_app(desk)))
            return httpx.Client(base_url=url, follow_redirects=True)

        yield start


def form(page, label):
    return dict(_FIELD.findall(page)) | {"label": label}


@pytest.mark.parametrize("lang", ["ar", "si"])
def test_a_rater_labels_row_by_row_and_goes_on_where_they_stopped(lang, tmp_path, serve):
    run = make_run(tmp_path, ["ar", "si"], {"e2b": 0.5, "31b": 1.0})
    rows = draw([p for p in read_answers(run) if p.lang == lang])
    client = serve(open_desk(read_answers(run), run, lang, "நிலா"))
    for n, label in enumerate(["right", "wrong", CANNOT_TELL]):
        page = client.get("/").text
        assert unescape(_ANSWER.search(page)[1]) == rows[n][1].item.answer
        assert f'dir="{language(lang).direction}"' in page
        assert "e2b" not in page, "a rater must not know who answered"
        assert client.post("/", data=form(page, label)).status_code == 200
    page = serve(open_desk(read_answers(run), run, lang, "நிலா")).get("/").text
    assert f"3 of {len(rows)} labelled" in page
    truth = {v: read_human_truth(run, p) for p in read_answers(run) if p.lang == lang for v in [p.variant]}
    found = {(v, name): value for v, by_id in truth.items() for name, value in by_id.items()}
    assert found == {(rows[0][0], rows[0][1].example.id): 1.0, (rows[1][0], rows[1][1].example.id): 0.0}


def test_a_label_is_changed_by_going_back(tmp_path, serve):
    run = make_run(tmp_path, ["ar"], {"e2b": 1.0})
    client = serve(open_desk(read_answers(run), run, "ar", "a"))
    client.post("/", data=form(client.get("/").text, "wrong"))
    again = client.get("/?at=1").text
    assert "wrong ✓" in again
    client.post("/", data=form(again, "right"))
    assert list(read_human_truth(run, read_answers(run)[0]).values()) == [1.0]


def test_the_page_takes_no_orders_from_elsewhere(tmp_path, serve):
    run = make_run(tmp_path, ["ar"], {"e2b": 1.0})
    client = serve(open_desk(read_answers(run), run, "ar", "a"))
    page = client.get("/").text
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 400
    assert client.post("/", data=form(page, "great")).status_code == 400
    assert client.post("/", data=form(page, "right") | {"key": "stale"}).status_code == 400
    assert client.post("/", data={}).status_code == 400
    assert not read_human_truth(run, read_answers(run)[0])


def test_an_answer_is_shown_as_text(tmp_path, serve):
    run = make_run(tmp_path, ["ar"], {"e2b": 1.0})
    path = next(run.glob("*.jsonl"))
    path.write_text(path.read_text(encoding="utf-8").replace('"…"', '"<script>x</script>"'), encoding="utf-8")
    assert "<script>" not in serve(open_desk(read_answers(run), run, "ar", "a")).get("/").text


def label_all(run, lang, rater, wrong_at=()):
    """Every row labelled by what is known; `wrong_at` rows the other way round."""
    desk = open_desk(read_answers(run), run, lang, rater)
    for n, (_, row) in enumerate(desk.rows, 1):
        right = bool(containment(row.item.answer, row.item.references, language(lang))) != (n in wrong_at)
        desk.add(n, fingerprint(row.item), "right" if right else "wrong")
    return len(desk.rows)


def test_two_raters_agree_as_far_as_they_do(tmp_path):
    run = make_run(tmp_path, ["si"], {"e2b": 0.5})
    total = label_all(run, "si", "a")
    assert measure_agreements(run, read_answers(run), "si") == []
    label_all(run, "si", "b", wrong_at={1, 2, 3})
    found = measure_agreements(run, read_answers(run), "si")[0]
    assert (found.first, found.second, found.same, found.kappa.n) == ("a", "b", total - 3, total)
    assert 0.7 < found.kappa.value < 0.95
    halves = [v for v in read_human_truth(run, read_answers(run)[0]).values() if v == 0.5]
    assert len(halves) == 3, "where raters differ the truth lies between"


def test_enough_labels_correct_the_judge_in_place_of_the_exam(tmp_path):
    """A judge that calls everything right, against 54 labels of which about half are."""
    run = make_run(tmp_path, ["si"], {"e2b": 0.5})
    label_all(run, "si", "a")
    part = read_answers(run)[0]
    said = [Grade(r.example.id, fingerprint(r.item), Label.RIGHT) for r in part.rows]
    truth = read_human_truth(run, part)
    tasks = make_exam("si", CORPORA)
    perfect = score_exam("e4b", "si", tasks, [Grade(t.item.id, "", t.truth) for t in tasks])
    by_labels, method = correct_rate(part, said, perfect, truth)
    assert method == "54 labels"
    assert by_labels.value == pytest.approx(sum(truth.values()) / 54)
    few = dict(list(truth.items())[:19])
    assert correct_rate(part, said, perfect, few)[1] == "exam"
    some = dict(list(truth.items())[:30])
    assert correct_rate(part, said, perfect, some)[0].n == 54


def test_the_command_stays_on_this_machine_and_reports(tmp_path):
    app = typer.Typer()
    app.command()(main)
    run = make_run(tmp_path, ["si", "ar"], {"e2b": 0.5})
    for host in ("0.0.0.0", "::", "192.168.1.2"):
        refused = CliRunner().invoke(app, [str(run), "--lang", "si", "--host", host])
        assert refused.exit_code == 1
        assert "127.0.0.1" in refused.output
    assert "--lang" in CliRunner().invoke(app, [str(run)]).output
    label_all(run, "si", "a")
    label_all(run, "si", "b", wrong_at={1})
    shown = CliRunner().invoke(app, [str(run), "--report"]).output
    assert "a and b: kappa" in shown
    assert "same label 53 of 54" in shown
