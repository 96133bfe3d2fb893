"""The family as data, names of who answers, memory, and the choice among what is installed."""

import re
from pathlib import Path

import pytest

from mlrag.errors import SettingsError
from mlrag.factory import make_generator
from mlrag.models import hardware
from mlrag.models.hardware import Memory, parse_nvidia_smi
from mlrag.models.memory_fit import describe_fit, find_best_fit, fits, kv_bytes, memory_gb
from mlrag.models.variants import CustomVariant, family, parse_variant
from mlrag.settings import Settings
from tests.conftest import HOUSE

CONTEXTS = (4096, 8192, 32768, 131072)
# MiB a sequence in bf16, counted layer by layer from each config's own `layer_types` by a script apart from mlrag.
REFERENCE_MIB = {
    "e2b": (30, 54, 198, 774),
    "e4b": (84, 148, 532, 2068),
    "12b": (384, 448, 832, 2368),
    "26b": (280, 360, 840, 2760),
    "31b": (1120, 1440, 3360, 11040),
}


def test_the_family_has_five_members():
    assert list(family()) == ["e2b", "e4b", "12b", "26b", "31b"]


@pytest.mark.parametrize("name", family())
def test_every_score_says_where_when_and_how(name):
    scores = family()[name].scores
    assert scores
    for score in scores:
        assert score.source and score.conditions
        assert re.fullmatch(r"20\d\d(-\d\d-\d\d)?", score.date)
        assert score.value > 0


def test_larger_members_score_better_in_many_languages():
    scores = [spec.score("MMMLU") for spec in family().values()]
    assert scores == sorted(scores) == [67.4, 76.6, 83.4, 86.3, 88.4]


@pytest.mark.parametrize(
    ("name", "backend", "model", "think", "spec"),
    [
        ("e4b", "ollama", "gemma4:e4b", False, "e4b"),
        (" E4B+think ", "ollama", "gemma4:e4b", True, "e4b"),
        ("gemma4", "ollama", "gemma4", False, "e4b"),
        ("gemma4:latest", "ollama", "gemma4:latest", False, "e4b"),
        ("ollama:gemma4:e4b", "ollama", "gemma4:e4b", False, "e4b"),
        ("gemma4:26b-a4b-it-q8_0", "ollama", "gemma4:26b-a4b-it-q8_0", False, "26b"),
        ("llama3.2:3b", "ollama", "llama3.2:3b", False, None),
        ("openai:e4b+think", "openai", "google/gemma-4-E4B-it", True, "e4b"),
        ("openai:google/gemma-4-31b-it:free", "openai", "google/gemma-4-31b-it:free", False, "31b"),
        ("openai:my/own-model", "openai", "my/own-model", False, None),
        ("gemini:31b", "gemini", "gemma-4-31b-it", False, "31b"),
        ("gemini:26b+think", "gemini", "gemma-4-26b-a4b-it", True, "26b"),
        ("gemini:gemma-4-31b-it", "gemini", "gemma-4-31b-it", False, "31b"),
        ("llamacpp:/m/gemma-4-12B-it-q4_0.gguf", "llamacpp", "/m/gemma-4-12B-it-q4_0.gguf", False, "12b"),
        ("llamacpp:/gemma-4-12b/other.gguf", "llamacpp", "/gemma-4-12b/other.gguf", False, None),
        ("llamacpp:/ගොනු/மாதிரி.gguf", "llamacpp", "/ගොනු/மாதிரி.gguf", False, None),
        ("extractive", "extractive", "", False, None),
        ("auto", "auto", "", False, None),
        ("auto+think", "auto", "", True, None),
    ],
)
def test_a_name_says_who_answers(name, backend, model, think, spec):
    found = parse_variant(name)
    assert (found.backend, found.model, found.think) == (backend, model, think)
    assert (found.spec.name if found.spec else None) == spec
    assert found.label == name.strip()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("", "needs a name"),
        ("  +think", "needs a name"),
        ("ollama:", "needs a name"),
        ("openai: ", "needs a name"),
        ("gemini:e4b", "serves 26b and 31b only"),
        ("gemini:gemma-4-12b-it", "serves 26b and 31b only"),
        ("llamacpp:e4b", r"\.gguf"),
        ("e4b think", "no space"),
        ("e4b+thinking", "no space and no"),
        ("extractive+think", "can think"),
    ],
)
def test_an_impossible_name_is_refused_with_those_that_are_known(name, says):
    with pytest.raises(ValueError, match=says) as raised:
        parse_variant(name)
    assert all(known in str(raised.value) for known in (*family(), "extractive", "auto", "openai:NAME"))


def test_users_give_their_fine_tune_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mlrag.toml").write_text(
        '[variants.my-si]\ntag = "openai:me/sinhala"\nbase = "e4b"\ncontext = 4096\n'
        '[variants."මගේ"]\ntag = "sinhala:latest+think"\nbase = "12b"\n',
        encoding="utf-8",
    )
    own = Settings().variants
    found = parse_variant("my-si+think", own)
    assert (found.label, found.backend, found.model, found.think) == ("my-si+think", "openai", "me/sinhala", True)
    assert (found.spec, found.context) == (family()["e4b"], 4096)
    other = parse_variant("මගේ", own)
    assert (other.backend, other.model, other.think, other.context) == ("ollama", "sinhala:latest", True, 262144)


@pytest.mark.parametrize(
    ("name", "custom", "says"),
    [
        ("mine", CustomVariant("my:tag", "e5b"), "unknown base 'e5b'.*known: e2b, e4b, 12b, 26b, 31b"),
        ("e4b", CustomVariant("my:tag", "e4b"), "has a meaning already"),
        ("auto", CustomVariant("my:tag", "e4b"), "has a meaning already"),
        ("gemini:mine", CustomVariant("my:tag", "e4b"), "has a meaning already"),
        ("mine", CustomVariant("gemini:e4b", "e4b"), "serves 26b and 31b only"),
        ("mine", CustomVariant("extractive", "e4b"), "is not a model"),
        ("mine", CustomVariant("my:tag", "e4b", 0), "a context of 0 tokens"),
    ],
)
def test_an_entry_that_cannot_be_used_is_refused_at_once(name, custom, says):
    with pytest.raises(SettingsError, match=says):
        Settings(variants={name: custom})


def test_assemble_builds_ollama_from_a_users_name(embedder):
    settings = Settings(variants={"mine": CustomVariant("ollama:my/gemma-si+think", "e2b")})
    assert make_generator(settings, embedder, "mine").name == "ollama:my/gemma-si+think"


@pytest.mark.parametrize("name", REFERENCE_MIB)
def test_the_cache_takes_what_the_reference_counts(name):
    assert tuple(kv_bytes(family()[name], c) / 2**20 for c in CONTEXTS) == REFERENCE_MIB[name]


def test_a_context_within_the_window_costs_the_same_in_every_layer():
    # e4b: 24 of 42 layers store, 20 sliding with 2 heads of 256, 4 global with 2 of 512; keys and values; 2 bytes.
    assert kv_bytes(family()["e4b"], 1) == 2 * 2 * (20 * 2 * 256 + 4 * 2 * 512)
    with pytest.raises(ValueError, match="at least one token"):
        kv_bytes(family()["e4b"], 0)


def test_memory_is_weights_and_overhead_and_the_cache_of_each_sequence():
    e4b, cache = family()["e4b"], 148 * 2**20 / 1e9
    assert memory_gb(e4b, "q4_k_m", 8192) == pytest.approx(9.6 + 1 + cache)
    assert memory_gb(e4b, "q4_k_m", 8192, parallel=4) == pytest.approx(9.6 + 1 + 4 * cache)
    assert memory_gb(e4b, "q4_0", 8192) == pytest.approx(4.5 * 1.073741824 + cache)


@pytest.mark.parametrize("spec", family().values(), ids=lambda s: s.name)
def test_the_official_figures_are_a_fifth_above_the_weights_in_gib(spec):
    weights = spec.parameters.published * 1e9 * 2 / 2**30
    assert spec.memory["bf16"] / weights == pytest.approx(1.2, rel=0.03)


def test_it_fits_with_enough_memory_and_a_context_it_was_made_for():
    e2b = family()["e2b"]
    need = memory_gb(e2b, "q4_k_m", 8192)
    assert fits(e2b, need, 8192)
    assert not fits(e2b, need - 0.01, 8192)
    assert not fits(e2b, 1000, e2b.context + 1)


def test_the_best_that_fits_is_chosen_and_the_choice_explained():
    choice = find_best_fit(["gemma4:e2b", "gemma4:31b", "gemma4:e4b", "my-tune", "gemma4:12b"], Memory(16.0, 12.0))
    assert (choice.tag, choice.spec) == ("gemma4:12b", family()["12b"])
    assert choice.reason == (
        "gemma4:12b scores best on MMMLU of the installed variants that fit at 8192 tokens: 12.0 GB of RAM are free, "
        "and gemma4:12b needs 9.1, gemma4:31b needs 22.5"
    )


def test_where_nothing_fits_the_reason_says_what_is_missing():
    choice = find_best_fit(["gemma4:latest"], Memory(8.0, 6.0))
    assert choice.tag is None
    assert choice.reason == "nothing fits at 8192 tokens: 6.0 GB of RAM are free, but gemma4:latest needs 10.8"
    assert "ollama pull" in find_best_fit(["my-tune", "gemma4:e4b-it-q8_0"], Memory(64.0, 60.0)).reason
    assert "ends at 131072 tokens" in find_best_fit(["gemma4:e4b"], Memory(64.0, 60.0), 200_000).reason


def test_a_gpu_counts_where_it_has_more_room_than_the_ram():
    assert find_best_fit(["gemma4:31b"], Memory(16.0, 12.0, 25.8, 25.0)).reason.endswith("gemma4:31b needs 22.5")
    assert Memory(16.0, 12.0, 8.6, 8.0).kind == "RAM"
    assert Memory(16.0, None).usable == 16.0
    assert Memory(None, None).usable == 0.0


def test_the_description_tells_full_from_too_small():
    e4b = family()["e4b"]
    assert "fits (12.0 GB of RAM free)" in describe_fit(e4b, Memory(16.0, 12.0))
    assert "only 3.0 of 16.0 GB are free now" in describe_fit(e4b, Memory(16.0, 3.0))
    assert "does not fit this machine (8.0 GB)" in describe_fit(e4b, Memory(8.0, 7.0))


def test_this_machine_has_memory():
    memory = hardware.measure_memory()
    assert memory.ram_total and memory.ram_total > 0.1
    assert 0 <= memory.usable <= memory.capacity


def test_gpu_memory_is_read_from_what_nvidia_smi_prints():
    # two cards of 24,564 MiB; the third shares the machine's RAM
    printed = "24564, 24000\n24564, 20000\n[N/A], [N/A]\n"
    assert parse_nvidia_smi(printed) == pytest.approx((51.514, 46.137), abs=0.001)
    assert parse_nvidia_smi("") == (0, 0)


@pytest.mark.parametrize(("code", "expected"), [(0, 25.757), (9, 0)])
def test_the_drivers_tool_is_asked_and_a_failing_one_means_no_gpu(tmp_path, monkeypatch, code, expected):
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\necho '24564, 24000'\nexit {code}\n", encoding="utf-8")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert hardware.measure_memory().vram_total == pytest.approx(expected, abs=0.001)


def test_a_containers_limit_counts(tmp_path, monkeypatch):
    limit = tmp_path / "memory.max"
    limit.write_text("100000000\n", encoding="ascii")
    monkeypatch.setattr(hardware, "_CGROUP", limit)
    assert hardware.measure_memory().ram_total == 0.1


def test_a_system_without_meminfo_tells_its_total_only(tmp_path, monkeypatch):
    total = hardware.measure_memory().ram_total
    monkeypatch.setattr(hardware, "_MEMINFO", tmp_path / "none")
    assert hardware.measure_memory().ram_free is None
    assert hardware.measure_memory().ram_total == pytest.approx(total, rel=0.1)


def facts_table() -> str:
    """What docs/variants.md has to say of the family."""
    rows = [
        "| variant | parameters (active) | layers | context | takes | Gemini API | "
        "bf16 / sfp8 / q4_0 | Ollama | at 8k |\n" + "|---" * 9 + "|"
    ]
    for s in family().values():
        p, m = s.parameters, s.memory
        rows.append(
            f"| {s.name} ({s.released}) | {p.published} B{f' ({p.active} B)' if p.active else ''} | "
            f"{s.layout.layers} | {s.context // 1024}K | {', '.join(s.modalities)} | {s.ids.get('gemini', '-')} | "
            f"{m['bf16']} / {m['sfp8']} / {m['q4_0']} | {m['q4_k_m']} | {memory_gb(s, 'q4_k_m', 8192):.1f} |"
        )
    return "\n".join(rows)


def scores_table() -> str:
    """Each published score, every member a column."""
    rows = ["| benchmark | " + " | ".join(family()) + " | conditions |", "|---" * (len(family()) + 2) + "|"]
    values: dict[tuple[str, str], dict[str, float]] = {}
    for spec in family().values():
        for score in spec.scores:
            values.setdefault((score.benchmark, score.conditions), {})[spec.name] = score.value
    for (benchmark, conditions), by_name in values.items():
        cells = " | ".join(f"{by_name[n]:g}" if n in by_name else "-" for n in family())
        rows.append(f"| {benchmark} | {cells} | {conditions} |")
    return "\n".join(rows)


@pytest.mark.parametrize("table", [facts_table, scores_table])
def test_the_page_says_what_the_data_say(table):
    page = (HOUSE / "docs" / "variants.md").read_text(encoding="utf-8")
    assert table() in page, f"docs/variants.md should hold:\n{table()}"
