"""The bodies of requests and replies, with examples, as OpenAPI shows them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from mlrag.types import Message

MAX_TURNS = 20
MAX_TURN = 8000  # characters
EXAMPLE_QUESTION = "டெங்கு கொசு எப்போது கடிக்கும்?"
NOT_EMPTY: dict[str, Any] = {"minLength": 1, "pattern": r"\S"}  # as the pipeline requires
Scalar = str | int | float | bool
FilterValue = Scalar | Annotated[list[Scalar], Field(max_length=50)]
FilterMap = Annotated[dict[Annotated[str, Field(max_length=200)], FilterValue], Field(max_length=10)]
K = Annotated[int | None, Field(ge=1, le=50, description="How many passages to retrieve.")]
FILTERS = "Fields of the documents' front matter and the accepted values, e.g. topic: dengue; a list: any of them."


class ConversationTurn(BaseModel):
    """An earlier turn of the conversation."""

    model_config = ConfigDict(extra="forbid")

    role: Literal["user", "assistant"]
    text: str = Field(max_length=MAX_TURN)

    def to_message(self) -> Message:
        return Message(self.role, self.text)


class SearchRequest(BaseModel):
    """The body of POST /search."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"q": EXAMPLE_QUESTION, "lang": "ta", "k": 3, "filters": {"topic": "dengue"}}]},
    )

    q: str = Field(description="The question.", json_schema_extra=NOT_EMPTY)
    lang: str | None = Field(None, description="Its language, e.g. ta; detected by default.")
    k: K = None
    filters: FilterMap = Field(default={}, description=FILTERS)
    explain: bool = Field(False, description="Add the scores of both rankers.")


class AskRequest(SearchRequest):
    """The body of POST /ask."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"q": EXAMPLE_QUESTION, "lang": "ta"},
                {"q": EXAMPLE_QUESTION, "lang": "ta", "variant": "e4b", "stream": True, "explain": True},
                {
                    "q": "அதன் உயரம் எவ்வளவு?",
                    "turns": [
                        {"role": "user", "text": "சிகிரியா எங்கே உள்ளது?"},
                        {"role": "assistant", "text": "சிகிரியா இலங்கையில் உள்ளது."},
                    ],
                },
            ]
        },
    )

    variant: str | None = Field(
        None, min_length=1, max_length=200, description="The model that answers: extractive, e4b, or any tag."
    )
    think: bool | None = Field(None, description="Let the model think first.")
    cross_language: bool | None = Field(
        None, description="Search other languages where this one has nothing; by default as the settings say."
    )
    stream: bool = Field(False, description="Server-sent events; as the header Accept: text/event-stream asks.")
    turns: list[ConversationTurn] = Field(
        default=[], max_length=MAX_TURNS, description="The conversation so far, oldest first; q goes on with it."
    )


class PassageReply(BaseModel):
    """A retrieved passage. Offsets count code points of its document; `dense` is a cosine, `lexical` is BM25."""

    model_config = ConfigDict(extra="forbid")

    passage_id: str = Field(examples=["ta-dengue#0"])
    doc_id: str = Field(examples=["ta-dengue"])
    lang: str = Field(examples=["ta"])
    title: str = Field(examples=["டெங்கு: பகலில் கடிக்கும் கொசு"])
    start: int
    end: int
    text: str = Field(examples=["இந்த கொசு பெரும்பாலும் பகல் நேரத்தில் கடிக்கும். கொசு தேங்கிய நீரில் முட்டையிடும்."])
    score: float
    dense: float
    lexical: float


class CitationReply(BaseModel):
    """A verbatim span of a source, and the part of the answer that it supports."""

    model_config = ConfigDict(extra="forbid")

    doc_id: str = Field(examples=["ta-dengue"])
    passage_id: str = Field(examples=["ta-dengue#0"])
    start: int
    end: int
    quote: str = Field(examples=["இந்த கொசு பெரும்பாலும் பகல் நேரத்தில் கடிக்கும்."])
    lang: str = Field(examples=["ta"])
    answer_start: int
    answer_end: int


class UsageReply(BaseModel):
    """Tokens and seconds of the model; null where its backend does not report them."""

    model_config = ConfigDict(extra="forbid")

    prompt_tokens: int | None
    output_tokens: int | None
    thinking_tokens: int | None
    first_token_seconds: float | None
    seconds: float | None


class AnswerReply(BaseModel):
    """An answer. Where `abstained`, the text says, in the question's language, that the documents hold no answer."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(examples=["இந்த கொசு பெரும்பாலும் பகல் நேரத்தில் கடிக்கும்."])
    lang: str = Field(examples=["ta"])
    abstained: bool
    citations: list[CitationReply]
    hits: list[PassageReply]
    model: str = Field(examples=["extractive", "ollama:gemma4:e4b"])
    embedder: str
    warnings: list[str] = Field(examples=[["follow_up:joined"], ["other_language:si"]])
    timings: dict[str, float]
    confidence: float | None
    usage: UsageReply
    left_machine: bool
    host: str
    thinking: str = Field(description="The model's thoughts, where `keep_thinking` is set.")
    cached: bool = Field(description="The answer comes from the cache.")
    age: float | None = Field(description="Seconds since it was cached.")
    standalone_question: str = Field(examples=["சிகிரியா பாறையின் உயரம் எவ்வளவு?"])
    explanation: dict[str, Any] | None = None


class SearchReply(BaseModel):
    """The retrieved passages, best first."""

    model_config = ConfigDict(extra="forbid")

    lang: str = Field(examples=["ta"])
    question: str = Field(examples=[EXAMPLE_QUESTION])
    embedder: str
    hits: list[PassageReply]
    explanation: dict[str, Any] | None = None


class CorpusReply(BaseModel):
    """What is indexed in one language. `bytes` on disk, derived files included."""

    lang: str = Field(examples=["ta"])
    documents: int = Field(examples=[24])
    passages: int = Field(examples=[50])
    sentences: int
    bytes: int


class DocumentRow(BaseModel):
    id: str = Field(examples=["ta-dengue"])
    title: str = Field(examples=["டெங்கு: பகலில் கடிக்கும் கொசு"])
    source: str
    characters: int
    passages: int
    meta: dict[str, Any]


class DocumentPage(BaseModel):
    """A page of documents, in order of their ids; `total` counts all."""

    lang: str = Field(examples=["ta"])
    total: int = Field(examples=[24])
    offset: int
    documents: list[DocumentRow]


class DocumentReply(BaseModel):
    id: str = Field(examples=["ta-dengue"])
    lang: str = Field(examples=["ta"])
    title: str = Field(examples=["டெங்கு: பகலில் கடிக்கும் கொசு"])
    source: str = Field(examples=["upload:டெங்கு.md"])
    meta: dict[str, Any] = Field(examples=[{"topic": "dengue"}])
    text: str = Field(examples=["இந்த கொசு பெரும்பாலும் பகல் நேரத்தில் கடிக்கும். கொசு தேங்கிய நீரில் முட்டையிடும்."])
    detected: bool = Field(description="Its language was detected, not given.")


class DocumentText(BaseModel):
    """A document in JSON; `name` is its id where its front matter has none."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=300, examples=["மழை.md"])
    text: str = Field(examples=["---\ntitle: மழை\ntopic: weather\n---\n\nபருவமழை அக்டோபரில் தொடங்குகிறது."])


class DocumentsBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    documents: list[DocumentText] = Field(min_length=1, max_length=200)


class FileReply(BaseModel):
    """The result of one file: the id of its (first) document, warnings, or why it could not be read."""

    name: str = Field(examples=["மழை.md"])
    doc_id: str = ""
    documents: int = 0
    warnings: list[str] = []
    error: str = ""


class JobReply(BaseModel):
    """Status of an upload. A file that cannot be read does not stop the others."""

    id: str
    lang: str
    status: Literal["queued", "running", "done", "failed"]
    files: list[FileReply]
    error: str = ""


class RunReply(BaseModel):
    run: str = Field(examples=["dd3394011a"])
    files: list[str] = Field(examples=[["index.html", "ta.html"]])


class LanguageReply(BaseModel):
    """An installed language. `tier`: 1 (models know it best) to 4. `native_checked`: checked by a native reader."""

    code: str = Field(examples=["ta"])
    name: str = Field(examples=["Tamil"])
    endonym: str = Field(examples=["தமிழ்"])
    tier: int = Field(examples=[3])
    direction: Literal["ltr", "rtl"]
    native_checked: bool
    indexed: bool


class AliveReply(BaseModel):
    status: Literal["ok"]
    version: str


class ReadyReply(BaseModel):
    status: Literal["ready", "no index", "stopping"]
    languages: list[str] = Field(examples=[["si", "ta"]])
    variant: str = Field(examples=["extractive"])


class ErrorDetail(BaseModel):
    code: str = Field(examples=["no_index"])
    message: str = Field(examples=["no documents are indexed in 'ta'"])
    hint: str = Field(examples=["build the index with: mlrag index PATH --lang ta"])


class ErrorReply(BaseModel):
    error: ErrorDetail
