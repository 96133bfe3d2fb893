"""Speeds are what pieces and counts say, predictions what bytes say, and what a machine does not tell is no zero."""

import json

import pytest
import typer
from typer.testing import CliRunner

import eval.efficiency.__main__ as command
from eval.efficiency.__main__ import average, make_line, parse_counts
from eval.efficiency.batches import Batch, BatchResult, Stream, make_prompt
from eval.efficiency.machine import (
    Meter,
    bytes_per_token,
    measure_bandwidth,
    predict_tokens_per_second,
    read_package_joules,
    read_peak_gb,
)
from eval.probes.report import Amount, format_cell
from eval.statistics import Interval
from mlrag.generation.token_estimate import estimate_tokens
from mlrag.models.variants import parse_variant
from mlrag.testing import FakeOpenAI


def test_rates_leave_loading_and_the_first_token_out():
    stream = Stream(first=3.0, seconds=5.0, prompt_tokens=200, output_tokens=41, load=1.0)
    assert stream.read_rate == 100.0  # 200 in 3 - 1 s
    assert stream.write_rate == 20.0  # 40 after the first, in 2 s
    assert Stream(3.0, 5.0, None, None, None).write_rate is None
    both = BatchResult(Batch(200, 2, 0), (stream, stream), seconds=10.0, joules=41.0)
    assert both.total_rate == pytest.approx(8.2)  # 82 in 10 s
    assert both.joules_per_token == pytest.approx(0.5)
    unknown = Stream(3.0, 5.0, 200, None, None)
    assert BatchResult(Batch(200, 2, 0), (stream, unknown), seconds=10.0).total_rate is None


def test_what_a_token_needs_is_the_weights_at_work_and_its_context(tmp_path):
    # 12b: 7.6 GB; 8 storing global layers of 48, window 1024, 2 bytes each for keys and values
    # sliding 40 x 8 x 256 x 1000, global 8 x 1 x 512 x 1000, times 4
    assert bytes_per_token(parse_variant("12b"), 1000) == 7.6e9 + 4 * (40 * 8 * 256 * 1000 + 8 * 512 * 1000)
    assert bytes_per_token(parse_variant("26b"), 1) == pytest.approx(18.0e9 * 3.8 / 25.2, rel=1e-3)
    assert bytes_per_token(parse_variant("openai:gpt"), 1000) is None
    file = tmp_path / "x.gguf"
    file.write_bytes(b"0" * 1000)
    assert predict_tokens_per_second(parse_variant(f"llamacpp:{file}"), 1000, 2e-6) == 2.0
    assert predict_tokens_per_second(parse_variant("llamacpp:/nowhere.gguf"), 1000, 10) is None


def test_energy_is_counted_where_it_can_be_read(tmp_path):
    counter = iter([100.0, 160.0])
    with Meter(lambda: next(counter), lambda: None) as meter:
        pass
    assert meter.joules == 60.0
    again = iter([100.0, 3.0])  # began anew
    with Meter(lambda: next(again), lambda: None) as meter:
        pass
    assert meter.joules is None
    with Meter(lambda: None, lambda: None) as meter:
        pass
    assert meter.joules is None
    assert read_package_joules(tmp_path) is None
    for name, value in (("intel-rapl:0", 2_000_000), ("intel-rapl:1", 500_000), ("intel-rapl:0:0", 9)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "energy_uj").write_text(str(value))
    assert read_package_joules(tmp_path) == 2.5  # parts of a package are in it already
    assert measure_bandwidth(8, 1) > 0
    assert read_peak_gb() is None or read_peak_gb() > 0


def test_prompts_are_of_the_length_asked_and_no_two_begin_alike():
    first, second = (make_prompt(Batch(500, 2, 0), n) for n in (0, 1))
    assert 400 < estimate_tokens(first) <= 520
    assert first[:8] != second[:8]


def test_amounts_are_shown_with_their_spread_or_none():
    assert format_cell(average([])) == "–"
    assert format_cell(average([2.0, None])) == "2.0 n=1"
    assert format_cell(Amount(2.0, 3, Interval(1.5, 2.5), 2)) == "2.00 [1.50, 2.50] n=3"
    failed = make_line("v", [BatchResult(Batch(512, 1, 0), error="no server")], 4.0)
    assert [format_cell(c) for c in failed[3:10]] == ["–"] * 7
    assert failed[-1] == "1: no server"
    with pytest.raises(ValueError, match="whole numbers"):
        parse_counts("0")


def test_the_command_measures_or_only_predicts_and_goes_on_where_it_stopped(tmp_path, monkeypatch):
    monkeypatch.setenv("MLRAG_DATA_DIR", str(tmp_path / "var"))
    app = typer.Typer()
    app.command()(command.main)
    dry = CliRunner().invoke(
        app, ["--variants", "e4b,31b", "--dry", "--gb-per-second", "100", "--contexts", "1", "--json"]
    )
    assert dry.exit_code == 0, dry.output
    small, large = json.loads(dry.stdout)["sections"]["Speed, memory and energy"]
    # 9.6 GB x 4.5 / 8.0 active, 20.0 GB
    assert (small["predicted tokens/s"], large["predicted tokens/s"]) == ("18.5", "5.0")
    assert small["write tokens/s"]["value"] is None
    with FakeOpenAI(reply=lambda body: "It came back at noon. " * 5) as double:
        monkeypatch.setenv("MLRAG_OPENAI_URL", double.url + "/v1")
        args = ["--variants", "openai:gemma4:e4b", "--contexts", "200", "--at-once", "1,2", "--repeats", "2"]
        args += ["--gb-per-second", "100", "--json"]
        result = CliRunner().invoke(app, args)
        assert result.exit_code == 0, result.output
        assert json.loads(CliRunner().invoke(app, args).stdout)["sections"] == json.loads(result.stdout)["sections"]
        assert len(double.requests) == 6
        again = json.loads(CliRunner().invoke(app, [*args, "--dry"]).stdout)
        assert again["sections"] == json.loads(result.stdout)["sections"]  # measured before; nothing more is asked
        assert len(double.requests) == 6
    one, two = json.loads(result.stdout)["sections"]["Speed, memory and energy"]
    assert (one["read tokens/s"]["n"], two["read tokens/s"]["n"]) == (2, 4)
    assert one["peak GB"]["value"] is None
    assert one["failed"] == ""
