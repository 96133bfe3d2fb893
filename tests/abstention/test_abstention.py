"""Off-topic questions are refused in every language, by what off-topic questions get from the same index."""

import json

import numpy as np
import pytest

from eval.datasets.own import own_questions
from mlrag.abstention.calibration import shipped_calibration
from mlrag.abstention.features import FEATURES, answerability, distance, measure_baseline
from mlrag.answering.pipeline import Pipeline
from mlrag.answering.retriever import Retriever
from mlrag.generation.extractive import Extractive
from mlrag.index.local.baseline_file import NAME
from mlrag.index.local.indexes import FolderIndexes
from mlrag.ingest.index_documents import index_documents
from mlrag.languages import languages, off_topic
from mlrag.types import Document

# The capital of the Moon; the king of Mars's dog.
NOWHERE = {
    "en": ("What is the capital of the Moon?", "What is the name of the king of Mars's dog?"),
    "de": ("Was ist die Hauptstadt des Mondes?", "Wie heißt der Hund des Königs vom Mars?"),
    "es": ("¿Cuál es la capital de la Luna?", "¿Cómo se llama el perro del rey de Marte?"),
    "fr": ("Quelle est la capitale de la Lune ?", "Comment s'appelle le chien du roi de Mars ?"),
    "pt": ("Qual é a capital da Lua?", "Como se chama o cachorro do rei de Marte?"),
    "tr": ("Ay'ın başkenti neresidir?", "Mars kralının köpeğinin adı nedir?"),
    "sw": ("Mji mkuu wa Mwezi ni upi?", "Mbwa wa mfalme wa Mirihi anaitwa nani?"),
    "ja": ("月の首都はどこですか？", "火星の王様の犬の名前は何ですか？"),
    "zh": ("月球的首都是哪里？", "火星国王的狗叫什么名字？"),
    "ko": ("달의 수도는 어디입니까?", "화성 왕의 개 이름은 무엇입니까?"),
    "ar": ("ما هي عاصمة القمر؟", "ما اسم كلب ملك المريخ؟"),
    "hi": ("चाँद की राजधानी क्या है?", "मंगल ग्रह के राजा के कुत्ते का नाम क्या है?"),
    "ne": ("चन्द्रमाको राजधानी कुन हो?", "मंगल ग्रहका राजाको कुकुरको नाम के हो?"),
    "bn": ("চাঁদের রাজধানী কী?", "মঙ্গল গ্রহের রাজার কুকুরের নাম কী?"),
    "ta": ("நிலவின் தலைநகரம் எது?", "செவ்வாய் கிரகத்து அரசனின் நாயின் பெயர் என்ன?"),
    "si": ("සඳෙහි අගනුවර කුමක්ද?", "අඟහරු ග්‍රහයේ රජුගේ බල්ලාගේ නම කුමක්ද?"),
}


@pytest.mark.parametrize("code", list(languages()))
def test_an_off_topic_question_is_refused(pipeline, code):
    for question in NOWHERE[code]:
        answer = pipeline.ask(question, code)
        assert answer.abstained, (question, answer.text, answer.confidence, answer.warnings)
        assert "uncalibrated" not in map(str, answer.warnings)


@pytest.mark.parametrize("code", list(languages()))
def test_every_language_has_off_topic_questions_of_both_kinds(code):
    assert len(off_topic(code)) >= 30
    assert {q.digit for q in off_topic(code)} == {True, False}


def test_the_null_is_kept_beside_the_index_and_measured_anew_when_missing(tmp_path, embedder):
    tea = Document("tea", "en", "Tea grows in the hills. It was first planted in 1867.", "Tea")
    index_documents([tea], FolderIndexes(tmp_path), embedder)
    path = next((tmp_path / "en").glob("gen-*")) / NAME
    kept = json.loads(path.read_text(encoding="utf-8"))
    assert len(kept["values"]) == len(FEATURES)
    path.unlink()  # as in an index made before there was one
    found = Retriever(FolderIndexes(tmp_path), embedder).search("When was tea planted?", "en")
    assert found.off_topic_baseline == pytest.approx(kept["values"], abs=1e-6)
    assert json.loads(path.read_text(encoding="utf-8")) == kept
    path.write_text("{", encoding="utf-8")
    retriever = Retriever(FolderIndexes(tmp_path), embedder)
    assert retriever.search("When was tea planted?", "en").off_topic_baseline == pytest.approx(kept["values"], abs=1e-6)
    assert not retriever.index("en").rebuilt_because


def test_the_null_is_what_its_questions_get(pipeline):
    found = [pipeline.retriever.search(q.question, "ta") for q in off_topic("ta")]
    assert found[0].off_topic_baseline == pytest.approx(measure_baseline(found), abs=1e-5)
    assert np.quantile([distance(e) for e in found], 0.35) == pytest.approx(0.0, abs=1e-5)
    answerable = [pipeline.retriever.search(e.question, "ta") for e in own_questions("ta") if e.answerable]
    assert np.median([answerability(e) for e in answerable], axis=0) == pytest.approx(
        found[0].off_topic_baseline, rel=1.0
    )
    assert (np.median([answerability(e) for e in answerable], axis=0) > found[0].off_topic_baseline).all()


def test_an_embedder_without_calibration_answers_and_says_so(pipeline):
    unknown = Pipeline(pipeline.retriever, Extractive(shipped_calibration("hub:other")), cross_language=False)
    assert "uncalibrated" in map(str, unknown.ask("How long is the Nile?", "en").warnings)
