"""Which variant: feasible first, proved second, and "cannot tell" where nothing is."""

import json

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

import eval.advise
import eval.tiers
from benchmarks.advice import bucket, follow, simulate
from benchmarks.advice_profiles import Profile, Script, make_run
from benchmarks.advice_worlds import MARGIN, Runner, hard_world, plain_world
from eval.advice.choice import advise
from eval.advice.evidence import NOTHING, Evidence, Measured, Outcome, compared, read_evidence
from eval.advice.feasible import all_ways, candidate, fit
from eval.advice.gain import gains
from eval.advice.matrix import make_matrix, sources, weights_for
from eval.advice.need import (
    Machine,
    Need,
    build,
    machine_for,
    parse_weights,
    presets,
    weights_of_corpus,
    weights_of_log,
)
from eval.advice.published import COVERED, pick, published
from eval.advice.rule import ALPHA, Table, decide, losses, own_mean
from eval.advice.words import cautions
from eval.statistics import macro_difference
from eval.statistics.student import student_quantile
from mlrag.errors import CorpusFormatError, UnknownLanguageError
from mlrag.fitting import memory_gb
from mlrag.languages import languages
from mlrag.machine import Memory
from mlrag.route_file import routes_from
from mlrag.routing import Budget
from mlrag.testing import OllamaDouble
from mlrag.variants import CustomVariant, family
from tests.conftest import CORPORA

run = CliRunner()
SERVER = Machine(64.0, 0.0, 500.0, 8, "given")
HOSTILE = "<script>alert(1)</script>"


def need(langs="ta,si", **wishes):
    return build(parse_weights(langs), None, None, wishes)


def advise_cli(*args, env=None):
    app = typer.Typer()
    app.command()(eval.advise.main)
    return run.invoke(app, [*args], env={"COLUMNS": "200", **(env or {})})


def table(values, strata=1, clusters=None):
    values = np.asarray(values, float)
    n = values.shape[1]
    return Table(
        tuple("abcdefghijkl"[: len(values)]),
        values,
        np.arange(n) % strata,
        np.arange(n) if clusters is None else np.asarray(clusters),
        np.full(strata, 1 / strata),
    )


# The rule


@pytest.mark.parametrize("shared", [False, True])
def test_differences_are_those_of_the_statistics_page(shared):
    rng = np.random.default_rng(1)
    values = (rng.random((2, 400)) < [[0.6], [0.7]]).astype(float)
    cluster = np.arange(400) // 4 if shared else np.arange(400)
    found = losses(table(values, 4, cluster))
    rows = {s: [(cluster[i], values[1, i] - values[0, i]) for i in range(s, 400, 4)] for s in range(4)}
    expected = macro_difference(rows)
    half = student_quantile(found.df) * found.variance[0, 1] ** 0.5
    assert found.means[1] - found.means[0] == pytest.approx(expected.value)
    assert found.gap[0, 1] - half == pytest.approx(expected.interval.low, abs=1e-3)
    assert found.gap[0, 1] + half == pytest.approx(expected.interval.high, abs=1e-3)


def test_of_equal_ones_the_cheapest_is_chosen_whatever_their_order():
    rows = np.tile(np.random.default_rng(0).random(3000) < 0.7, (3, 1))
    assert decide(table(rows), [2, 0, 1], 0.02).chosen == "b"
    assert decide(table(rows), [0, 1, 2], 0.02).chosen == "a"


def test_a_cheap_one_that_is_far_behind_is_passed_over():
    rng = np.random.default_rng(0)
    rows = rng.random((2, 500)) < [[0.5], [0.9]]
    ruling = decide(table(rows), [0, 1], 0.02)
    assert ruling.chosen == "b"
    assert [s.within for s in ruling.standings] == [False, True]
    assert ruling.standings[1].rival == "a"


def test_few_rows_tell_nothing_even_where_none_differ():
    ruling = decide(table(np.ones((2, 12))), [0, 1], 0.02)
    assert ruling.chosen is None
    assert ruling.more[0] > 50


def test_one_cluster_tells_nothing():
    rows = np.random.default_rng(0).random((2, 500)) < [[0.2], [0.9]]
    ruling = decide(table(rows, clusters=np.zeros(500, int)), [0, 1], 0.02)
    assert ruling.chosen is None
    assert ruling.more


def test_more_rows_are_asked_where_weight_and_doubt_are():
    rng = np.random.default_rng(3)
    rows = (rng.random((2, 400)) < 0.6).astype(float)
    stratum = np.repeat([0, 1], 200)
    ruling = decide(Table(("a", "b"), rows, stratum, np.arange(400), np.array([0.9, 0.1])), [0, 1], 0.02)
    assert ruling.chosen is None
    assert ruling.more[0] > 5 * ruling.more.get(1, 0)
    assert {*decide(table(rows), [0, 1], 0.02).more} == {0}


def test_asking_as_many_more_as_it_says_mostly_settles_it():
    """80 % power is promised if differences stay as seen: here they are what they were."""
    rng = np.random.default_rng(5)
    rates = np.array([[0.75], [0.80]])
    settled = 0
    for _ in range(40):
        ruling = decide(table(rng.random((2, 150)) < rates), [0, 1], 0.02)
        told = 150 + ruling.more.get(0, 0)
        settled += decide(table(rng.random((2, told)) < rates), [0, 1], 0.02).chosen == "b"
    assert settled >= 24


def test_the_means_own_interval_holds_it():
    mean, low, high = own_mean(table([[1.0] * 90 + [0.0] * 10] * 2), 0)
    assert (mean, low < 0.9 < high) == (0.9, True)
    assert own_mean(table(np.ones((2, 30))), 0)[1] < 0.9  # thirty right ones prove no perfection


@pytest.mark.parametrize(("values", "margin"), [(np.ones((1, 9)), 0.02), (np.ones((2, 9)), 0.0)])
def test_what_cannot_be_compared_is_a_callers_bug(values, margin):
    with pytest.raises(ValueError, match="two or more at a margin"):
        decide(table(values), [0, 1], margin)


@pytest.mark.parametrize("kind", ["plain", "hard"])
def test_it_is_wrong_in_at_most_one_world_of_twenty(kind):
    tally = simulate(kind, 200, 150)["eval.advise"]
    assert tally.wrong <= ALPHA * tally.worlds
    assert tally.chose > 0


def test_its_advice_can_be_followed_to_a_choice():
    tally, asked = follow("plain", 15)
    assert (tally.chose, tally.wrong, tally.infeasible) == (15, 0, 0)
    assert asked > 100


def test_hard_worlds_are_as_hard_as_they_can_be():
    rng = np.random.default_rng(0)
    loss = np.sort(hard_world(rng, 50).loss)
    assert loss[0] == 0
    assert loss[1:] == pytest.approx(MARGIN + 1e-4)
    assert plain_world(rng, 50).questions == 50


def test_the_parameter_count_puts_26b_beside_e4b():
    assert {name: bucket(Runner(spec, False, 0.0)) for name, spec in family().items()} == {
        "e2b": 45.0,
        "e4b": 60.0,
        "12b": 82.0,
        "26b": 60.0,
        "31b": 89.0,
    }


# What fits


def test_what_a_laptop_of_8_gb_can_run():
    """e2b in 4 bits: 2.9 GiB = 3.114 GB; caches 4 × (12×1×256×512 + 3×1×512×8192) bytes = 0.057 GB."""
    laptop = Machine(8.0, 0.0, 100.0, 4, "given")
    four_bits = fit(candidate("llamacpp:gemma-4-e2b-it-q4_0.gguf"), need(), laptop)
    ollama = fit(candidate("e2b"), need(), laptop)
    assert four_bits.memory == pytest.approx(2.9 * 2**30 / 1e9 + 4 * (12 * 256 * 512 + 3 * 512 * 8192) / 1e9)
    assert four_bits.feasible
    assert "8.3 GB and has 6.0" in ollama.obstacles[0].reason
    assert "q4_0" in ollama.obstacles[0].change


@pytest.mark.parametrize(
    ("name", "wishes", "reason", "change"),
    [
        ("gemini:31b", {}, "would go to Gemini API", "--locality any"),
        ("openai:google/gemma-4-31b-it:free", {}, "would go to OpenRouter", "--locality any"),
        ("31b", {"audio": True}, "takes no audio", "e2b, e4b, 12b"),
        ("e4b", {"tools": True}, "42.2 is below 60", "--tools-floor 42.2"),
        ("e4b", {"context": 200_000}, "ends at 131072", "--context 131072"),
        ("31b", {"context": 262_144}, "it needs 43.3", "--context 131072"),
        ("gemini:31b", {"locality": "any", "finetune": True}, "not a fine-tune", "a machine of yours"),
        ("some:tag", {}, "not known", "mlrag.toml"),
        ("extractive", {"tools": True}, "no tool use", "leave --tools out"),
    ],
)
def test_every_exclusion_names_its_reason_and_what_would_admit_it(name, wishes, reason, change):
    found = fit(candidate(name), need(**wishes), Machine(42.0, 0.0, 500.0, 8, "given"))
    assert any(reason in o.reason and change in o.change for o in found.obstacles), found.obstacles


@pytest.mark.parametrize("wishes", [{"context": 131_072}, {"context": 32_768, "concurrency": 16}])
def test_the_change_it_names_admits_it(wishes):
    for room in (6.0, 12.0, 21.0, 24.0):
        plan = Machine(None, room, 500.0, 8, "given")
        for spec in family().values():
            for obstacle in fit(candidate(spec.name), need(**wishes), plan).obstacles:
                option, _, value = obstacle.change.partition(" ")
                if option.startswith("--"):
                    changed = need(**(wishes | {option[2:]: int(value)}))
                    assert fit(candidate(spec.name), changed, plan).feasible


def test_seconds_money_and_disk_count_where_they_are_known():
    slow = fit(candidate("e4b"), need(p95=2.0), SERVER, p95=3.5)
    dear = fit(candidate("gemini:31b"), need(locality="any", budget=0.1), SERVER, dollars=0.3)
    full = fit(candidate("31b"), need(), Machine(64.0, 0.0, 5.0, 8, "given"))
    unknown = fit(candidate("e4b"), need(p95=2.0), SERVER)
    assert [o.reason for o in slow.obstacles] == ["measured p95 is 3.50 s, asked for: 2"]
    assert "0.30 $" in dear.obstacles[0].reason
    assert "free 15.0 GB of disk" in full.obstacles[0].change
    assert unknown.feasible
    assert "not measured" in unknown.notes[0]


def test_a_gpu_too_small_is_said_where_ram_would_do():
    both = Machine(64.0, 12.0, 500.0, 8, "given")
    assert any("slow" in note for note in fit(candidate("31b"), need(), both).notes)


def test_names_tell_the_same_way_apart_from_another():
    own = {"my-si": CustomVariant("ollama:me/tuned", "e4b")}
    assert candidate("e4b").key == candidate("gemma4:e4b").key
    assert candidate("e4b").key != candidate("e4b+think").key
    assert candidate("my-si", own).spec.name == "e4b"
    assert candidate("my-si", own).quantisation == "q4_k_m"
    assert candidate("openai:31b").quantisation == "bf16"
    assert candidate("openai:31b").place == "here"
    assert candidate("openai:google/gemma-4-31b-it:free").place == "openrouter"
    assert len({c.key for c in all_ways()}) == len(all_ways())


# What is asked for


def test_weights_come_from_words_logs_and_documents(tmp_path):
    lines = ["நைல் நதி எவ்வளவு நீளமானது?", "නයිල් ගඟේ දිග කොපමණද?", "尼罗河有多长？", "ما طول نهر النيل؟"]
    log = tmp_path / "log.txt"
    log.write_text("\n".join([*lines, lines[0], "…"]), encoding="utf-8")
    rows = tmp_path / "log.jsonl"
    rows.write_text("\n".join(json.dumps({"question": q}) for q in lines), encoding="utf-8")
    assert weights_of_log(log) == {"ta": 0.4, "si": 0.2, "zh": 0.2, "ar": 0.2}
    assert set(weights_of_log(rows).values()) == {0.25}
    assert weights_of_corpus(CORPORA / "ta") == {"ta": 1.0}
    assert parse_weights("ta=3, si") == {"ta": 0.75, "si": 0.25}
    (tmp_path / "none.txt").write_text("123\n", encoding="utf-8")
    with pytest.raises(CorpusFormatError, match="--langs"):
        weights_of_log(tmp_path / "none.txt")


@pytest.mark.parametrize(
    ("text", "error"), [("ta=x", ValueError), ("ta=0", ValueError), ("", ValueError), ("xx", UnknownLanguageError)]
)
def test_weights_that_are_none_are_refused(text, error):
    with pytest.raises(error):
        parse_weights(text)


def test_the_command_line_beats_the_regime_and_that_the_scenario():
    langs = {"si": 1.0}
    assert build(langs, "C", None, {}).locality == "any"
    assert build(langs, "C", "pdpa-lk", {}).locality == "own servers"
    assert build(langs, "C", "gdpr", {"locality": "any", "context": None}).locality == "any"
    for bad in ({"locality": "moon"}, {"cost": "love"}, {"margin": 0.0}, {"answerable": 2.0}):
        with pytest.raises(ValueError, match=r"is one of|lies in"):
            build(langs, None, None, bad)
    with pytest.raises(ValueError, match="known: A, B, C, D, E"):
        build(langs, "F", None, {})


def test_presets_speak_of_what_there_is():
    dimensions = {d["name"] for d in presets()["dimension"]}
    benchmarks = {s.benchmark for spec in family().values() for s in spec.scores}
    for scenario in presets()["scenario"].values():
        assert set(scenario["weights"]) <= dimensions
    for d in presets()["dimension"]:
        assert d["kind"] == "measured" or d["benchmark"] in benchmarks
    assert set(COVERED) <= benchmarks
    assert all(langs <= set(languages()) for langs in COVERED.values())


def test_a_machine_can_be_probed_and_planned(tmp_path):
    memory = Memory(16.0, 9.0, 24.0, 20.0)
    assert machine_for(memory, tmp_path / "not" / "there", {"ram": None}).source == "probed"
    planned = machine_for(memory, tmp_path, {"ram": 8.0, "vram": 0.0})
    assert (planned.ram, planned.vram, planned.source) == (8.0, 0.0, "given")


# From runs to advice

QUESTIONS = 700


def measured(name, right, silent=0.8, langs=("ta", "si"), own=None, seed=0, model="", seconds=1.0, n=QUESTIONS):
    """Rows as a run would give them: answerable ones and twins whose document is hidden."""
    rng = np.random.default_rng([seed, sum(map(ord, name))])
    outcomes = {
        lang: {f"q{i}": Outcome(f"q{i}", "answer", float(rng.random() < right)) for i in range(n)}
        | {f"q{i}~": Outcome(f"q{i}", "article_removed", float(rng.random() < silent)) for i in range(n)}
        for lang in langs
    }
    return Measured(candidate(name, own), (model or name,), outcomes, {}, {}, seconds, 2 * seconds, (900.0, 100.0))


def evidence(*found):
    return Evidence({m.candidate.name: m for m in found}, ("toy",), ())


def test_the_best_feasible_is_found_and_the_better_one_that_does_not_fit_is_named():
    machine_ = Machine(14.0, 0.0, 500.0, 8, "given")
    found = advise(need(), machine_, evidence(measured("e2b", 0.5), measured("e4b", 0.85), measured("31b", 0.97)))
    assert found.choice == "e4b"
    assert found.mix.status == "measured"
    assert "31b" not in found.mix.means
    assert any(f.startswith("31b, excluded") and "q4_0" not in f for f in found.flips)
    assert {f.candidate.name for f in found.feasible} >= {"e2b", "e4b", "extractive"}


def test_a_little_better_is_not_worth_more_than_the_margin():
    rows = measured("e4b", 0.9, n=3000)
    other = Measured(candidate("31b"), ("31b",), rows.outcomes, {}, {}, 9.0, 9.0, None)
    found = advise(need(), SERVER, evidence(other, rows))
    assert found.choice == "e4b"
    assert found.costs.basis == "seconds"
    assert found.mix.runner_up == "31b"
    assert advise(need(cost="memory"), SERVER, evidence(other, rows)).costs.basis == "memory"


def test_near_ties_on_few_questions_cannot_be_told():
    found = advise(need("ta=9,si=1"), SERVER, evidence(*(measured(m, 0.8, n=40, seed=1) for m in ("e4b", "12b"))))
    assert found.mix.status == "cannot tell"
    assert found.mix.chosen is None
    assert found.choice == found.mix.leading
    assert found.mix.more["ta"] > found.mix.more.get("si", 0)


def test_who_was_not_asked_in_a_language_is_left_out_and_said():
    found = advise(need(), SERVER, evidence(measured("e4b", 0.9), measured("31b", 0.9, langs=("ta",))))
    assert found.mix.left_out == {"31b": "0 of 1400 rows in si"}
    assert found.mix.status == "one measured"
    assert any("By published figures alone it would be 31b+think" in c for c in cautions(found))
    assert {line.group: line.status for line in found.lines}["T4"] == "one measured"


def test_unmeasured_feasible_ones_are_named():
    found = advise(need(), SERVER, evidence(measured("e4b", 0.9), measured("31b", 0.5)))
    assert {"extractive", "12b", "e4b+think"} <= set(found.unmeasured)
    assert not {"e4b", "31b"} & set(found.unmeasured)


def test_the_share_of_answerable_questions_weighs_accuracy_against_silence():
    bold, shy = measured("e4b", 0.9, silent=0.2), measured("12b", 0.4, silent=0.95)
    assert advise(need(answerable=0.95), SERVER, evidence(bold, shy)).choice == "e4b"
    assert advise(need(answerable=0.3), SERVER, evidence(bold, shy)).choice == "12b"
    all_three = compared({"e4b": bold, "12b": shy}, {"ta": 1.0}, 0.3).table
    assert all_three.weights.tolist() == pytest.approx([0.3, 0.7])


def test_published_figures_decide_where_nothing_was_measured_and_say_so():
    found = advise(need(), Machine(8.0, 0.0, 100.0, 4, "given"), NOTHING)
    assert found.choice == "llamacpp:gemma-4-e4b-it-q4_0.gguf+think"
    assert found.mix.status == "nothing measured"
    assert found.published.silent == ("ta", "si")
    assert any("1.7 GB more" in f for f in found.flips)
    assert any("GGUF file" in c for c in cautions(found))
    assert pick([fit(candidate("extractive"), need(), SERVER)], ["ta"]).chosen == "extractive"


def test_a_published_score_counts_for_the_thinking_it_was_taken_with():
    e4b = family()["e4b"]
    on, off = published(e4b, "MMMLU", True), published(e4b, "MMMLU", False)
    assert (on[0].value, on[1]) == (76.6, None)
    assert (off[0], off[1].value) == (None, 76.6)
    sea = "SEA-HELM knowledge, mean of 6 languages"
    assert [p[0].value for p in (published(e4b, sea, True), published(e4b, sea, False))] == [66.01, 51.17]
    assert published(None, sea, True) == (None, None)


# The matrix


def test_totals_are_weighted_means_and_measured_ones_never_meet_published_ones():
    found = advise(need(), SERVER, evidence(measured("e4b", 0.9), measured("31b+think", 0.5)))
    matrix = make_matrix(found, weights_for(None, {}))
    by_name = {kind: {t.name: t for t in totals} for kind, totals in matrix.totals.items()}
    assert by_name["published"]["e4b"].total is None  # what was published was with thinking
    assert by_name["measured"]["12b+think"].total is None
    row = {r.name: dict(zip(matrix.names, r.cells, strict=True)) for r in matrix.rows}
    think = row["multilingual"]["31b+think"]
    assert (think.said, think.source, think.score) == ("88.4", "published", 0.884)
    assert row["multilingual"]["e4b"].said == "76.6 (thinking on)"
    assert (row["sea"]["e4b+think"].said, row["sea"]["e4b+think"].score) == ("66.01 (unverified)", None)
    assert row["quality"]["12b"].source == "unknown"
    sinhala = [s for s in sources(matrix) if "SinhalaMMLU" in s]
    assert len(sinhala) == 1
    assert sinhala[0].startswith(
        "Sinhala multiple choice (SinhalaMMLU): e4b 61.86 (thinking on), e4b+think 61.86 (hugg"
    )
    scores = [(3, 88.4), (1, 84.3), (1, 80.0), (1, 76.9), (1, 66.4), (1, 74.4)]  # what all five have
    expected = sum(w * s for w, s in scores) / sum(w for w, _ in scores) / 100
    assert by_name["published"]["31b+think"].total == pytest.approx(expected)


def test_weights_move_the_rank_and_its_stability_is_told():
    found = advise(need(), SERVER, evidence(measured("e4b", 0.9)))
    plain = make_matrix(found, weights_for(None, {}), gamma=0.0)
    ranks = {t.name: t for t in plain.totals["published"] if t.total is not None}
    assert max(ranks.values(), key=lambda t: t.efficient).name == "31b+think"
    assert ranks["31b+think"].first == 1.0  # best in every dimension: no weights can move it
    dear = make_matrix(found, weights_for(None, {}), gamma=3.0)
    assert max((t for t in dear.totals["published"] if t.efficient), key=lambda t: t.efficient).name != "31b+think"
    assert sum(t.first for t in dear.totals["published"]) == pytest.approx(1.0)


@pytest.mark.parametrize("given", [{"love": 1.0}, {"quality": -1.0}])
def test_weights_of_nothing_are_refused(given):
    with pytest.raises(ValueError, match=r"dimension|0 or more"):
        weights_for(None, given)


def test_a_fine_tune_is_a_row_of_its_own_and_stands_for_nobody():
    tuned = measured("my-si", 0.9, own={"my-si": CustomVariant("ollama:me/tuned", "e4b")})
    found = advise(need(), SERVER, evidence(tuned, measured("31b", 0.5)))
    matrix = make_matrix(found, weights_for(None, {}))
    row = next(r for r in matrix.rows if r.name == "multilingual")
    assert found.choice == "my-si"
    assert "e4b" in found.unmeasured
    assert "my-si" not in found.unmeasured
    unasked = advise(need(), SERVER, NOTHING, {"my-si": CustomVariant("ollama:me/tuned", "e4b")})
    assert "my-si" in unasked.unmeasured
    assert {"my-si", "e4b"} < set(matrix.names)
    assert row.cells[matrix.names.index("my-si")].score is None


# As typed

TUNED = {"my-si": {"tag": "ollama:me/tuned", "base": "e4b"}}


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """A run that stand-ins answered, one of them a fine-tune's."""
    scripts = {
        "e4b": Script(0.6, 0.0, 0.6, 1.0, 50),
        "my-si": Script(0.97, 0.0, 0.97, 1.0, 50),
        "31b": Script(0.97, 0.0, 0.9, 9.0, 50),
    }
    return make_run(tmp_path_factory.mktemp("toy"), Profile((), ("ta", "si"), scripts))


def test_the_command_advises_from_a_run_and_writes_what_can_be_followed(toy, tmp_path):
    env = {"MLRAG_VARIANTS": json.dumps(TUNED), "MLRAG_DATA_DIR": str(tmp_path)}
    args = ["--langs", "ta,si", "--run", str(toy), "--ram", "16", "--vram", "0", "--out", str(tmp_path / "out")]
    done = advise_cli(*args, "--compare", "my-si", "--json", env=env)
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert told == json.loads((tmp_path / "out" / "advice.json").read_text(encoding="utf-8"))
    assert told["schema"] == "mlrag.advice/1"
    assert told["choice"] == told["route"]["default"]["variant"] == "my-si"
    assert set(told["stand_ins"]) == {"e4b", "my-si", "31b"}
    assert "31b" not in told["lines"][0]["means"]
    assert set(told["route"]["languages"]) == {"ta", "si"}
    feasible = {f["variant"] for f in told["feasibility"] if f["feasible"]}
    for step in [told["route"]["default"], *told["route"]["tiers"].values(), *told["route"]["languages"].values()]:
        assert {step["variant"], *step["fallbacks"]} <= feasible
    routes = routes_from(told, "advice.json", None, None, Budget())
    assert {step.variant for step in routes.steps.values()} == {"my-si"}
    assert (routes.default.lighter, routes.default.escalate) in {("e4b", None), (None, None)}  # 31b was left out
    assert routes.prices["my-si"] == (0.0, 0.0)
    assert [row["language"] for row in told["gain"]["rows"]] == ["ta", "si"]
    assert told["gain"]["base"] == "e4b"
    page = (tmp_path / "out" / "advice.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "stand-in" in page
    shown = advise_cli(*args, "--langs", "si", "--regime", "pdpa-lk", "--scenario", "A", env=env)
    assert "not legal advice" in shown.stdout
    assert "Stand-ins answered" in shown.stdout


def test_a_fine_tune_is_held_against_its_base_only(toy):
    own = {"my-si": CustomVariant(**TUNED["my-si"])}
    found = read_evidence([toy], ["ta", "si"], own)
    base, gained = gains(found, "my-si", own)
    assert base == "e4b"
    assert all(g.difference.value > 0 and g.difference.n > 50 for g in gained)
    with pytest.raises(CorpusFormatError, match="was not measured"):
        gains(found, "26b", own)


def test_the_page_escapes_what_a_name_brings(toy, tmp_path):
    own = {f"tuned{HOSTILE}": {"tag": "ollama:me/tuned", "base": "e4b"}}
    env = {"MLRAG_VARIANTS": json.dumps(own), "MLRAG_DATA_DIR": str(tmp_path)}
    lines = (toy / "plan.json").read_text(encoding="utf-8")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "plan.json").write_text(lines, encoding="utf-8")
    for path in toy.glob("*.jsonl"):
        text = path.read_text(encoding="utf-8").replace('"my-si"', json.dumps(f"tuned{HOSTILE}"))
        (tmp_path / "run" / path.name).write_text(text, encoding="utf-8")
    done = advise_cli("--langs", "ta", "--run", str(tmp_path / "run"), "--out", str(tmp_path), env=env)
    assert done.exit_code == 0, done.stderr
    page = (tmp_path / "advice.html").read_text(encoding="utf-8")
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize("scenario", ["A", "B", "C", "D", "E"])
def test_every_scenario_is_answered_without_any_run(scenario, tmp_path):
    env = {"MLRAG_DATA_DIR": str(tmp_path)}
    args = ["--scenario", scenario, "--langs", "en,ta", "--published", "--vram", "0", "--out", str(tmp_path), "--json"]
    done = advise_cli(*args, *([] if scenario in "BC" else ["--ram", "32"]), env=env)
    told = json.loads(done.stdout)
    assert told["status"] == "nothing measured"
    assert next(f for f in told["feasibility"] if f["variant"] == told["choice"])["feasible"]


def test_nothing_feasible_is_said_with_what_would_admit_something(tmp_path):
    args = ["--langs", "ta", "--ram", "2", "--vram", "0", "--audio", "--published", "--out", str(tmp_path)]
    done = advise_cli(*args, env={"MLRAG_DATA_DIR": str(tmp_path)})
    assert done.exit_code == 0
    assert done.stdout.startswith("Nothing is feasible")
    assert "GB more" in done.stdout


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--langs", "xx"], "xx"),
        (["--langs", "ta", "--log", "x"], "one of --langs"),
        (["--weights", "love=1"], "known: quality"),
        (["--weights", "quality"], "--weights quality=2"),
        (["--run", "nowhere"], "nowhere"),
        (["--regime", "mars"], "known: gdpr"),
        (["--log", "nowhere.txt"], "nowhere.txt"),
    ],
)
def test_wishes_that_cannot_be_met_are_one_sentence(args, said, tmp_path):
    done = advise_cli(*args, "--out", str(tmp_path), env={"MLRAG_DATA_DIR": str(tmp_path)})
    assert done.exit_code == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_of_the_bench_with_a_double_is_advised_on(indexed, tmp_path):
    env = {"MLRAG_DATA_DIR": str(indexed)}
    app = typer.Typer()
    app.command()(eval.tiers.main)
    with OllamaDouble() as double:
        args = ["--langs", "si", "--limit", "4", "--variants", "extractive,e4b", "--out", str(tmp_path), "--json"]
        done = run.invoke(app, args, env=env | {"MLRAG_OLLAMA_HOST": double.url})
    name = json.loads(done.stdout)["run"]
    told = json.loads(
        advise_cli("--langs", "si", "--run", name, "--ram", "32", "--out", str(tmp_path), "--json", env=env).stdout
    )
    assert told["runs"] == [name]
    assert told["stand_ins"] == ["e4b"]
    assert told["status"] == "cannot tell"  # four questions
    assert "--data DIR --limit" in told["lines"][0]["command"]


def test_memory_is_that_of_the_fitting_page():
    spec = family()["12b"]
    assert fit(candidate("12b"), Need({"ta": 1.0}), SERVER).memory == memory_gb(spec, "q4_k_m", 8192)
