"""What a run needs before anything is asked."""

import json

import pytest

from eval.runner.prepare import load_data, prepare
from mlrag.errors import CorpusFormatError
from mlrag.settings import Settings

BRIDGES = {  # question, passage: spaced, right-to-left, unspaced and Indic
    "en": ("When was the bridge built?", "The bridge was built in 1932."),
    "ar": ("متى بُني الجسر؟", "بُني الجسر عام 1932."),
    "zh": ("桥是什么时候建的？", "这座桥建于1932年。"),
    "ta": ("பாலம் எப்போது கட்டப்பட்டது?", "பாலம் 1932 இல் கட்டப்பட்டது."),
}


def write_set(folder, lang, ids):
    question, passage = BRIDGES[lang]
    rows = [{"qid": id, "lang": lang, "question": question, "answers": ["1932"], "gold_pids": ["p"]} for id in ids]
    folder.mkdir(exist_ok=True)
    (folder / f"{lang}.questions.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    passages = json.dumps({"pid": "p", "lang": lang, "text": passage})
    (folder / f"{lang}.passages.jsonl").write_text(passages, encoding="utf-8")
    return folder


@pytest.mark.parametrize("lang", BRIDGES)
def test_two_questions_of_one_id_are_refused_by_name(tmp_path, lang):
    folder = write_set(tmp_path / "set", lang, ["a", "b", "c", "b"])
    with pytest.raises(CorpusFormatError, match=rf"two questions in '{lang}' have the id 'b'"):
        load_data(Settings(data_dir=tmp_path), folder, None, None)


def test_a_prepared_run_is_complete_and_the_same_twice(tmp_path):
    for lang in ("ar", "zh"):
        folder = write_set(tmp_path / "set", lang, ["a", "b"])
    settings, indexed = Settings(data_dir=tmp_path), []
    data = load_data(settings, folder, None, None)
    run = prepare(settings, data, tick=indexed.append)
    assert sum(indexed) == 2
    assert (run.rows.folder / "plan.json").is_file() and (run.rows.folder / "cross.json").is_file()
    assert run.plan.name == prepare(settings, data).plan.name
    assert {lang: len(examples) for lang, examples in run.plan.examples.items()} == {"zh": 4, "ar": 4}
