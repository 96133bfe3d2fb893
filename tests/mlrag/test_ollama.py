"""The real client against the double over real HTTP: each way a server misbehaves is an error that helps."""

import pytest

from mlrag.errors import GeneratorError, GeneratorUnavailableError, PromptTooLongError
from mlrag.generation.base import Request
from mlrag.generation.ollama import Ollama
from mlrag.languages import language
from mlrag.testing import OllamaDouble


@pytest.fixture(scope="module")
def request_(pipeline):
    return Request(language("en"), pipeline.retriever.search("How long is the Nile?", "en"))


@pytest.mark.parametrize(
    ("fault", "error", "says"),
    [
        ("busy", GeneratorUnavailableError, "busy"),
        ("no_done", GeneratorError, "broke off"),
        ("empty", GeneratorError, "nothing"),
        ("length", GeneratorError, "did not finish"),
        ("cut_prompt", PromptTooLongError, "cut the prompt"),
        ("crash", GeneratorError, "unexpectedly stopped"),
        ("garbage", GeneratorError, "502"),
        ("hang", GeneratorError, "MLRAG_TIMEOUT"),
    ],
)
def test_faults_become_errors_that_help(request_, fault, error, says):
    with OllamaDouble(fault=fault) as double, pytest.raises(error, match=says):
        Ollama("gemma4:e4b", host=double.url, timeout=0.5).generate(request_)


def test_a_missing_model_says_how_to_pull_it(request_):
    with OllamaDouble(models=()) as double, pytest.raises(GeneratorUnavailableError, match="ollama pull gemma4:e4b"):
        Ollama("gemma4:e4b", host=double.url).generate(request_)


def test_no_server_says_how_to_start_it(request_):
    with pytest.raises(GeneratorUnavailableError, match="ollama serve"):
        Ollama("gemma4:e4b", host="http://127.0.0.1:9", timeout=2).generate(request_)


def test_thinking_is_always_said(request_):
    with OllamaDouble() as double:
        Ollama("gemma4:e4b", think=True, host=double.url).generate(request_)
        Ollama("gemma4:e4b", host=double.url).generate(request_)
    assert [r["think"] for r in double.requests] == [True, False]
