"""docs/faults.md is true, row by row, through the real client of each backend."""

import re

import pytest

from mlrag import errors
from mlrag.answering.pipeline import Pipeline
from mlrag.generation.backends.gemini import GeminiChat
from mlrag.generation.backends.ollama import OllamaChat
from mlrag.generation.backends.openai import OpenAIChat
from mlrag.generation.base import Request
from mlrag.generation.fallback import Fallback
from mlrag.languages import language
from mlrag.testing import FakeGemini, FakeOllama, FakeOpenAI
from tests.conftest import HOUSE, generator

PAGE = (HOUSE / "docs" / "faults.md").read_text(encoding="utf-8")
NOWHERE = "http://127.0.0.1:9"
BACKENDS = {"ollama": FakeOllama, "openai": FakeOpenAI, "gemini": FakeGemini}


def rows(page: str) -> list[list[str]]:
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("|")]
    return [row for row in cells if row[0] not in ("fault", "---")]


BACKEND_ROWS = [
    (backend, row[0], cell)
    for row in rows(PAGE.split("## The backend")[1].split("## The reply")[0])
    for backend, cell in zip(BACKENDS, row[1:], strict=True)
    if cell != "–"
]
REPLY_ROWS = [tuple(row) for row in rows(PAGE.split("## The reply")[1])]


def model(backend: str, url: str):
    if backend == "openai":
        return OpenAIChat("gemma4:e4b", f"{url}/v1", key="k")
    if backend == "gemini":
        return GeminiChat("gemma-4-31b-it", "k", url=url)
    return OllamaChat("gemma4:e4b", url)


@pytest.fixture(scope="module")
def request_(pipeline):
    return Request(language("en"), pipeline.retriever.search("How long is the Nile?", "en"))


@pytest.mark.parametrize(("backend", "fault", "outcome"), BACKEND_ROWS)
def test_a_fault_of_the_backend_ends_as_the_page_says(request_, backend, fault, outcome):
    expected = getattr(errors, outcome.split(",")[0])
    kinds = {"no_model": {"models": ("other",)}}.get(fault, {"fault": fault if fault != "refused" else ""})
    with BACKENDS[backend](**kinds) as double:
        # Only a fault that ends by the timeout may meet it: a busy machine takes seconds for three attempts.
        timeout = 1.5 if expected is errors.GeneratorTimeoutError else 60.0
        asked = generator(model(backend, NOWHERE if fault == "refused" else double.url), timeout=timeout)
        with pytest.raises(errors.GeneratorError) as caught:
            asked.generate(request_)
    assert type(caught.value) is expected, caught.value
    assert len(double.requests) == (3 if "asked again" in outcome else len(double.requests[:1]))


@pytest.mark.parametrize(("backend", "fault"), [(b, f) for b, f, outcome in BACKEND_ROWS if "asked again" in outcome])
def test_a_fault_that_passes_ends_in_an_answer(request_, backend, fault):
    with BACKENDS[backend](fault=lambda n: fault if n == 0 else "") as double:
        assert generator(model(backend, double.url)).generate(request_).text
    assert len(double.requests) == 2


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_model_that_thinks_without_end_within_its_room_is_an_error(request_, backend):
    with BACKENDS[backend](fault="think_forever") as double, pytest.raises(errors.GeneratorError):
        generator(model(backend, double.url), think=True, timeout=1.5).generate(request_)


REPLIES = {
    "wrong_language": "Der Fluss ist sehr lang und fließt durch viele Länder bis in das große Meer. [1]",
    "invented_quote": '[1] "The Nile is made of silver and glass."\n---\nIt is made of silver and glass. [1]',
    "invented_number": "The Nile is 77,777 km long. [1]",
    "invented_name": "The river ends near Samarkand in the north. [1]",
    "no_support": "Bright purple elephants often whistle quietly.",
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("fault", "warning"), REPLY_ROWS)
def test_a_fault_of_the_reply_ends_in_an_abstention(pipeline, backend, fault, warning):
    with BACKENDS[backend](reply=lambda _: REPLIES[fault]) as double:
        asked = generator(model(backend, double.url))
        answer = Pipeline(pipeline.retriever, asked, cross_language=False).ask("How long is the Nile?", "en")
    assert answer.abstained
    assert answer.text == language("en").abstention
    assert any(str(w).startswith(warning) for w in answer.warnings), answer.warnings
    assert len(double.requests) == 2


def test_a_fallback_is_named(pipeline):
    with FakeOllama(fault="crash") as double:
        both = Fallback(generator(model("ollama", double.url)), pipeline.generator)
        answer = Pipeline(pipeline.retriever, both, cross_language=False).ask("How long is the Nile?", "en")
    assert answer.model == "extractive"
    assert "fallback:extractive:broken_reply" in map(str, answer.warnings)
    assert not answer.abstained


def test_every_fault_of_the_doubles_stands_on_the_page():
    said = {row[1] for row in BACKEND_ROWS} | {"late", "safety", "recitation", "other", "moved"}
    for double in BACKENDS.values():
        named = set(re.findall(r'"([a-z_]+)"', (double.__doc__ or "").split("Faults:")[1].split("`")[0]))
        assert named <= said, named - said
