"""`auto` takes the best local model that fits, else the remote one that the settings name, else extractive."""

from mlrag import factory as assemble
from mlrag.factory import make_pipeline
from mlrag.models.hardware import Memory
from mlrag.testing import FakeOllama, FakeOpenAI

NOWHERE = "http://127.0.0.1:9"


def ask(settings, pipeline, **changes):
    own = settings.model_copy(update={"variant": "auto", **changes})
    return make_pipeline(own, pipeline.retriever).ask("How long is the Nile?", "en")


def test_the_best_installed_variant_that_fits_answers_and_says_why(settings, pipeline, monkeypatch):
    monkeypatch.setattr(assemble, "measure_memory", lambda: Memory(32.0, 30.0))
    with FakeOllama(models=("gemma4:e2b", "gemma4:e4b", "gemma4:31b")) as double:
        answer = ask(settings, pipeline, ollama_host=double.url)
    assert answer.model.startswith("ollama:gemma4:31b")
    assert any(str(w).startswith("auto:gemma4:31b scores best") for w in answer.warnings)
    assert not answer.left_machine


def test_what_does_not_fit_is_not_taken(settings, pipeline, monkeypatch):
    monkeypatch.setattr(assemble, "measure_memory", lambda: Memory(16.0, 12.0))
    with FakeOllama(models=("gemma4:e4b", "gemma4:31b")) as double:
        assert ask(settings, pipeline, ollama_host=double.url).model.startswith("ollama:gemma4:e4b")


def test_without_ollama_the_remote_one_that_is_named_answers_else_extractive(settings, pipeline):
    answer = ask(settings, pipeline, ollama_host=NOWHERE)
    assert answer.model == "extractive"
    assert any("no Ollama answers" in str(w) for w in answer.warnings)
    with FakeOpenAI(models=("far",)) as double:
        remote = {"auto_remote": "openai:far", "openai_url": f"{double.url}/v1"}
        named = ask(settings, pipeline, ollama_host=NOWHERE, **remote)
    assert named.model == "openai:far [stand-in]"
    assert any("auto_remote" in str(w) for w in named.warnings)
