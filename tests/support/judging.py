"""Scripted judges behind a real HTTP server (Ollama's double), and a small run to be judged. All are stand-ins."""

import json

from eval.datasets.own import own_questions
from eval.judge import Judge
from eval.judge.exam import make_exam
from eval.judge.prompts import AS_JSON, build_grading_prompt
from eval.metrics.answers import containment
from eval.runner.plan import RunPlan, write_plan
from eval.runner.rows import RowStore
from eval.types import Prediction
from mlrag.factory import make_caller
from mlrag.languages import language
from mlrag.settings import Settings
from mlrag.testing import FakeOllama
from mlrag.testing.server import prompt_of
from tests.conftest import CORPORA


def verdict(label):
    return json.dumps({"verdict": label})


def double(reply, models=("gemma4:e4b", "gemma4:31b")):
    return FakeOllama(models=models, reply=reply)


def settings(url, folder):
    return Settings(data_dir=folder, corpora=CORPORA, ollama_host=url)


def judge(server, folder, name="e4b"):
    return Judge(make_caller(settings(server.url, folder), name), name)


def always(label):
    """A judge that says the same whatever it is asked."""
    return lambda _body: verdict(label)


def parts(body):
    """What the judge was shown, by title."""
    found = {}
    for block in prompt_of(body).split("\n\n"):
        title, _, text = block.partition(":\n")
        found[title] = text.replace("¦ ", "")
    return found


def claims(body):
    """A stand-in that splits at semicolons, and takes for entailed what stands in a text letter for letter."""
    shown = parts(body)
    if "Answer" in shown and "Claim 1" not in shown:
        return json.dumps({"claims": [c.strip() for c in shown["Answer"].split(";")]}, ensure_ascii=False)
    text = next(shown[title] for title in ("References", "Passage", "Answer") if title in shown)
    asked = [shown[title] for title in shown if title.startswith("Claim ")]
    return json.dumps({str(n): "entailed" if c in text else "not_entailed" for n, c in enumerate(asked, 1)})


class Perfect:
    """Knows the exam's truth, and of a run's answers whether a reference stands in them; `but` fools it."""

    def __init__(self, langs, but=()):
        tasks = [t for lang in langs for t in make_exam(lang, CORPORA)]
        self.truth = {build_grading_prompt(t.item, AS_JSON)[1].content: t.truth for t in tasks if t.kind not in but}
        self.fooled = {build_grading_prompt(t.item, AS_JSON)[1].content for t in tasks if t.kind in but}

    def __call__(self, body):
        asked = prompt_of(body)
        if asked in self.truth or asked in self.fooled:
            return verdict(self.truth.get(asked, "right"))
        shown = parts(body)
        if "Answer to grade" not in shown:
            return claims(body)
        lang = language("en")
        right = containment(shown["Answer to grade"], shown["Reference answers"].splitlines(), lang)
        return verdict("right" if right else "wrong")


def make_run(folder, langs, shares, signs=None):
    """Rows of several variants: the first `share` of a language's answers are gold, the rest another question's.

    `signs`: what a variant puts behind all that it says.
    """
    run = RowStore(folder)
    write_plan(folder, RunPlan({"own_variants": {}}, {lang: own_questions(lang) for lang in langs}))
    for lang in langs:
        asked = [e for e in own_questions(lang) if e.answerable]
        for variant, share in shares.items():
            for n, example in enumerate(asked):
                other = asked[(n + 7) % len(asked)]
                text = example.answers[0] if n < share * len(asked) else other.answers[0]
                text += (signs or {}).get(variant, "")
                run.append(lang, Prediction(example.id, variant, text, passages=("…",), model=f"ollama:{variant}"))
    return folder
