"""The bodies of requests and replies, with examples: what OpenAPI shows."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from mlrag.types import Said

MAX_TURNS = 20
MAX_TURN = 8000  # characters
ASKED = "டெங்கு கொசு எப்போது கடிக்கும்?"
NOT_EMPTY: dict[str, Any] = {"minLength": 1, "pattern": r"\S"}  # what the pipeline asks of a question
Scalar = str | int | float | bool
FilterValue = Scalar | Annotated[list[Scalar], Field(max_length=50)]
FilterMap = Annotated[dict[Annotated[str, Field(max_length=200)], FilterValue], Field(max_length=10)]
K = Annotated[int | None, Field(ge=1, le=50, description="Passages to look at.")]
FILTERS = "Front matter's fields and the values that will do, e.g. topic: dengue; a list: any of them."


class Turn(BaseModel):
    """An earlier turn of the conversation."""

    model_config = ConfigDict(extra="forbid")

    role: Literal["user", "assistant"]
    text: str = Field(max_length=MAX_TURN)

    def said(self) -> Said:
        return Said(self.role, self.text)


class Search(BaseModel):
    """The body of POST /search."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"q": ASKED, "lang": "ta", "k": 3, "filters": {"topic": "dengue"}}]},
    )

    q: str = Field(description="The question.", json_schema_extra=NOT_EMPTY)
    lang: str | None = Field(None, description="Its language, e.g. ta; detected where not given.")
    k: K = None
    filters: FilterMap = Field(default={}, description=FILTERS)
    explain: bool = Field(False, description="Tell what each leg of the search thought of the passages.")


class Question(Search):
    """The body of POST /ask."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"q": ASKED, "lang": "ta"},
                {"q": ASKED, "lang": "ta", "variant": "e4b", "stream": True, "explain": True},
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
        None, min_length=1, max_length=200, description="Who answers: extractive, e4b, any tag."
    )
    think: bool | None = Field(None, description="Let the model think first.")
    cross_language: bool | None = Field(
        None, description="Look in other languages when this one has nothing; as the settings say where not given."
    )
    stream: bool = Field(False, description="Server-sent events; as the header Accept: text/event-stream asks.")
    turns: list[Turn] = Field(
        default=[], max_length=MAX_TURNS, description="The conversation so far, oldest first; q goes on with it."
    )


class Passage(BaseModel):
    """A passage found. Offsets count code points of its document; `dense` is a cosine, `lexical` is BM25."""

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
    """What the model read and wrote; null where its backend does not say."""

    model_config = ConfigDict(extra="forbid")

    prompt_tokens: int | None
    output_tokens: int | None
    thinking_tokens: int | None
    first_token_seconds: float | None
    seconds: float | None


class AnswerReply(BaseModel):
    """An answer. Where `abstained`, the text says in the question's language that the documents do not say."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(examples=["இந்த கொசு பெரும்பாலும் பகல் நேரத்தில் கடிக்கும்."])
    lang: str = Field(examples=["ta"])
    abstained: bool
    citations: list[CitationReply]
    hits: list[Passage]
    model: str = Field(examples=["extractive", "ollama:gemma4:e4b"])
    embedder: str
    warnings: list[str] = Field(examples=[["follow_up:joined"], ["other_language:si"]])
    timings: dict[str, float]
    confidence: float | None
    usage: UsageReply
    left_machine: bool
    host: str
    thinking: str = Field(description="The model's thoughts, where `keep_thinking` is set.")
    cached: bool = Field(description="It was made for an equal question before.")
    age: float | None = Field(description="Seconds since then.")
    standalone_question: str = Field(examples=["சிகிரியா பாறையின் உயரம் எவ்வளவு?"])
    explanation: dict[str, Any] | None = None


class SearchReply(BaseModel):
    """The passages found, best first."""

    model_config = ConfigDict(extra="forbid")

    lang: str = Field(examples=["ta"])
    question: str = Field(examples=[ASKED])
    embedder: str
    hits: list[Passage]
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
    detected: bool = Field(description="Its language was found out rather than told.")


class DocumentText(BaseModel):
    """A document given in JSON; `name` is its id, where its front matter has none."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=300, examples=["மழை.md"])
    text: str = Field(examples=["---\ntitle: மழை\ntopic: weather\n---\n\nபருவமழை அக்டோபரில் தொடங்குகிறது."])


class DocumentsBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    documents: list[DocumentText] = Field(min_length=1, max_length=200)


class FileReply(BaseModel):
    """What came of one file: its (first) document's id, what looks wrong in it, or why it could not be read."""

    name: str = Field(examples=["மழை.md"])
    doc_id: str = ""
    documents: int = 0
    warnings: list[str] = []
    error: str = ""


class JobReply(BaseModel):
    """An upload on its way into the index. A file that cannot be read does not keep the others out."""

    id: str
    lang: str
    status: Literal["queued", "running", "done", "failed"]
    files: list[FileReply]
    error: str = ""


class RunReply(BaseModel):
    run: str = Field(examples=["dd3394011a"])
    files: list[str] = Field(examples=[["index.html", "ta.html"]])


class LanguageReply(BaseModel):
    """An installed language. `tier`: 1 where a model knows it best, to 4. `native_checked`: a native reader did."""

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
