"""The real client of OpenAI works against the service, unchanged."""

import numpy as np
import openai
import pytest

from mlrag.languages import language
from mlrag.testing import FakeOllama, first_sentence
from service.app import create_app
from tests.support.serving import serving

ASKED = [{"role": "user", "content": "டெங்கு கொசு எப்போது கடிக்கும்?"}]


@pytest.fixture(scope="module")
def double():
    with FakeOllama() as double:
        yield double


@pytest.fixture(scope="module")
def client(settings, double):
    with serving(create_app(settings.model_copy(update={"ollama_host": double.url}))) as address:
        yield openai.OpenAI(base_url=f"{address}/v1", api_key="not needed", max_retries=0)


def test_the_variants_are_the_models(client):
    names = [model.id for model in client.models.list()]
    assert names[:3] == ["extractive", "auto", "e2b"]
    assert "bundled" in names
    assert client.models.retrieve("e4b").id == "e4b"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nobody")


def test_a_completion_is_an_answer_with_its_sources_below(client):
    reply = client.chat.completions.create(model="extractive", messages=ASKED)
    text = reply.choices[0].message.content
    assert reply.choices[0].finish_reason == "stop"
    assert reply.mlrag["lang"] == "ta"
    assert reply.usage is None
    first = reply.mlrag["citations"][0]
    assert first["quote"] + " [1]" in text
    assert text.splitlines()[-1].endswith(f"({first['doc_id']})")


def test_options_travel_in_the_extension(client):
    own = {"lang": "ta", "k": 2, "filters": {"topic": "dengue"}, "footnotes": False}
    reply = client.chat.completions.create(model="extractive", messages=ASKED, extra_body={"mlrag": own})
    assert {hit["doc_id"] for hit in reply.mlrag["hits"]} == {"ta-dengue"}
    assert reply.choices[0].message.content == reply.mlrag["text"]


def test_unknown_fields_of_the_protocol_do_no_harm(client):
    reply = client.chat.completions.create(
        model="extractive",
        messages=[
            {"role": "system", "content": "Answer in English."},
            {"role": "user", "content": [{"type": "text", "text": ASKED[0]["content"]}]},
        ],
        temperature=0.2,
        max_tokens=50,
        top_p=1,
        user="somebody",
    )
    assert reply.mlrag["lang"] == "ta"


@pytest.mark.parametrize("model", ["extractive", "e4b"])
def test_a_stream_adds_up_to_the_completion(client, model):
    whole = client.chat.completions.create(model=model, messages=ASKED)
    chunks = list(
        client.chat.completions.create(model=model, messages=ASKED, stream=True, stream_options={"include_usage": True})
    )
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == whole.choices[0].message.content
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-2].mlrag["citations"] == whole.mlrag["citations"]
    assert (chunks[-1].choices, chunks[-1].usage) == ([], whole.usage)


def test_usage_is_what_the_backend_says(client):
    reply = client.chat.completions.create(model="e4b", messages=ASKED)
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens
    assert reply.usage.prompt_tokens == reply.mlrag["usage"]["prompt_tokens"]


def test_text_comes_unchecked_only_where_asked_for(client, double):
    def reply(body):
        count.append(body)
        return "---\nThis is another language [1]" if len(count) % 2 else "---\n" + first_sentence(body)

    double.reply = reply
    for unchecked in (False, True):
        count = []
        own = {"unchecked": unchecked, "footnotes": False}
        chunks = list(
            client.chat.completions.create(model="e4b", messages=ASKED, stream=True, extra_body={"mlrag": own})
        )
        text = "".join(c.choices[0].delta.content or "" for c in chunks)
        restarts = [c for c in chunks if (getattr(c, "mlrag", None) or {}).get("restart")]
        assert ("This is" in text) == unchecked
        assert bool(restarts) == unchecked
        assert chunks[-1].mlrag["warnings"][0] == "retried:wrong_language"
    double.reply = first_sentence


def test_earlier_messages_are_the_conversation(client, double):
    standalone = "සීගිරිය පර්වතයේ උස කොපමණද?"
    asks_for_it = language("si").prompt["rewrite"]
    double.requests.clear()
    double.reply = lambda body: standalone if body["messages"][0]["content"] == asks_for_it else first_sentence(body)
    first = client.chat.completions.create(
        model="extractive", messages=[{"role": "user", "content": "සීගිරිය පිහිටා තිබෙන්නේ කොහේද?"}]
    )
    said = first.choices[0].message.content
    messages = [
        {"role": "user", "content": "සීගිරිය පිහිටා තිබෙන්නේ කොහේද?"},
        {"role": "assistant", "content": said},
        {"role": "user", "content": "එහි උස කොපමණද?"},
    ]
    reply = client.chat.completions.create(model="e4b", messages=messages)
    double.reply = first_sentence
    assert reply.mlrag["standalone_question"] == standalone
    sent = double.requests[0]["messages"][1]["content"]
    assert "(si-sigiriya)" in said
    assert "(si-sigiriya)" not in sent


def test_errors_are_the_clients_own_exceptions(client, double):
    with pytest.raises(openai.UnprocessableEntityError, match="the last message is no user"):
        client.chat.completions.create(model="extractive", messages=[{"role": "assistant", "content": "x"}])
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model="ollama:nobody:1b", messages=ASKED)
    assert caught.value.code == "no_model"
    double.fault = "empty"
    with pytest.raises(openai.APIError, match="replied with nothing"):
        list(client.chat.completions.create(model="e4b", messages=ASKED, stream=True))
    double.fault = ""


@pytest.mark.parametrize("encoding", [{}, {"encoding_format": "float"}])  # the client asks for base64 by itself
def test_embeddings_are_the_embedders(client, embedder, encoding):
    texts = ["பருவமழை அக்டோபரில் தொடங்குகிறது.", "季风在十月开始。", "සීගිරිය"]
    for kind, encode in (("passage", embedder.encode_document), ("query", embedder.encode_query)):
        reply = client.embeddings.create(model="bundled", input=texts, extra_body={"input_type": kind}, **encoding)
        found = np.array([row.embedding for row in reply.data], np.float32)
        assert np.allclose(found, encode(texts), atol=1e-5)
    plain = client.embeddings.create(model="bundled", input=texts[0])
    assert np.allclose(plain.data[0].embedding, embedder.encode_document(texts[:1])[0], atol=1e-5)
    assert plain.usage is None


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"model": "text-embedding-3-small", "input": "x"}, openai.NotFoundError),
        ({"model": "bundled", "input": []}, openai.UnprocessableEntityError),
        ({"model": "bundled", "input": ["x"], "dimensions": 7}, openai.UnprocessableEntityError),
        ({"model": "bundled", "input": [[1, 2]]}, openai.UnprocessableEntityError),
    ],
)
def test_vectors_of_another_kind_are_refused(client, wrong, error):
    with pytest.raises(error):
        client.embeddings.create(**wrong)
