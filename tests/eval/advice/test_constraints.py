"""Which ways there are to run a variant here, and what is asked for."""

import json

import pytest

from eval.advice.constraints import check_candidate, list_candidates, parse_candidate
from eval.advice.need import (
    TargetHardware,
    build_requirements,
    parse_weights,
    plan_hardware,
    presets,
    weights_of_corpus,
    weights_of_log,
)
from eval.advice.published import COVERED
from mlrag.errors import CorpusFormatError, UnknownLanguageError
from mlrag.languages import languages
from mlrag.models.hardware import Memory
from mlrag.models.variants import CustomVariant, family
from tests.conftest import CORPORA
from tests.support.advice import SERVER, need


def test_what_a_laptop_of_8_gb_can_run():
    """e2b in 4 bits: 2.9 GiB = 3.114 GB; caches 4 × (12×1×256×512 + 3×1×512×8192) bytes = 0.057 GB."""
    laptop = TargetHardware(8.0, 0.0, 100.0, 4, "given")
    four_bits = check_candidate(parse_candidate("llamacpp:gemma-4-e2b-it-q4_0.gguf"), need(), laptop)
    ollama = check_candidate(parse_candidate("e2b"), need(), laptop)
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
        ("e4b", {"context": 200_000}, "context is 131072", "--context 131072"),
        ("31b", {"context": 262_144}, "it needs 43.3", "--context 131072"),
        ("gemini:31b", {"locality": "any", "finetune": True}, "not a fine-tune", "a machine of yours"),
        ("some:tag", {}, "unknown", "mlrag.toml"),
        ("extractive", {"tools": True}, "no tool use", "leave --tools out"),
    ],
)
def test_every_exclusion_names_its_reason_and_what_would_admit_it(name, wishes, reason, change):
    found = check_candidate(parse_candidate(name), need(**wishes), TargetHardware(42.0, 0.0, 500.0, 8, "given"))
    assert any(reason in o.reason and change in o.change for o in found.obstacles), found.obstacles


@pytest.mark.parametrize("wishes", [{"context": 131_072}, {"context": 32_768, "concurrency": 16}])
def test_the_change_it_names_admits_it(wishes):
    for room in (6.0, 12.0, 21.0, 24.0):
        plan = TargetHardware(None, room, 500.0, 8, "given")
        for spec in family().values():
            for obstacle in check_candidate(parse_candidate(spec.name), need(**wishes), plan).obstacles:
                option, _, value = obstacle.change.partition(" ")
                if option.startswith("--"):
                    changed = need(**(wishes | {option[2:]: int(value)}))
                    assert check_candidate(parse_candidate(spec.name), changed, plan).feasible


def test_seconds_money_and_disk_count_where_they_are_known():
    slow = check_candidate(parse_candidate("e4b"), need(p95=2.0), SERVER, p95=3.5)
    dear = check_candidate(parse_candidate("gemini:31b"), need(locality="any", budget=0.1), SERVER, dollars=0.3)
    full = check_candidate(parse_candidate("31b"), need(), TargetHardware(64.0, 0.0, 5.0, 8, "given"))
    unknown = check_candidate(parse_candidate("e4b"), need(p95=2.0), SERVER)
    assert [o.reason for o in slow.obstacles] == ["measured p95 is 3.50 s, asked for: 2"]
    assert "0.30 $" in dear.obstacles[0].reason
    assert "free 15.0 GB of disk" in full.obstacles[0].change
    assert unknown.feasible
    assert "not measured" in unknown.notes[0]


def test_a_gpu_too_small_is_said_where_ram_would_do():
    both = TargetHardware(64.0, 12.0, 500.0, 8, "given")
    assert any("slow" in note for note in check_candidate(parse_candidate("31b"), need(), both).notes)


def test_names_tell_the_same_way_apart_from_another():
    own = {"my-si": CustomVariant("ollama:me/tuned", "e4b")}
    assert parse_candidate("e4b").key == parse_candidate("gemma4:e4b").key
    assert parse_candidate("e4b").key != parse_candidate("e4b+think").key
    assert parse_candidate("my-si", own).spec.name == "e4b"
    assert parse_candidate("my-si", own).quantisation == "q4_k_m"
    assert parse_candidate("openai:31b").quantisation == "bf16"
    assert parse_candidate("openai:31b").location == "here"
    assert parse_candidate("openai:google/gemma-4-31b-it:free").location == "openrouter"
    assert len({c.key for c in list_candidates()}) == len(list_candidates())


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
    assert build_requirements(langs, "C", None, {}).locality == "any"
    assert build_requirements(langs, "C", "pdpa-lk", {}).locality == "own servers"
    assert build_requirements(langs, "C", "gdpr", {"locality": "any", "context": None}).locality == "any"
    for bad in ({"locality": "moon"}, {"cost": "love"}, {"margin": 0.0}, {"answerable": 2.0}):
        with pytest.raises(ValueError, match=r"is one of|lies in"):
            build_requirements(langs, None, None, bad)
    with pytest.raises(ValueError, match="known: A, B, C, D, E"):
        build_requirements(langs, "F", None, {})


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
    assert plan_hardware(memory, tmp_path / "not" / "there", {"ram": None}).source == "probed"
    planned = plan_hardware(memory, tmp_path, {"ram": 8.0, "vram": 0.0})
    assert (planned.ram, planned.vram, planned.source) == (8.0, 0.0, "given")
