"""The bodies of OpenAI's protocol that are read here; other fields are ignored."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.schemas.mlrag import MAX_TURN, MAX_TURNS, AnswerReply, AskRequest, ConversationTurn, FilterMap, K

MAX_INPUTS = 512
InputText = Annotated[str, Field(min_length=1)]
FOOTNOTES = "\n\n[1] "  # where the footnotes of an answer begin


class TextContent(BaseModel):
    """A part of a message; images and other kinds are refused."""

    type: Literal["text"]
    text: str


class ChatMessage(BaseModel):
    """`system`, `developer` and `tool` messages are not read: the answer comes from the documents alone."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[TextContent] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content)
        return self.content or ""


class Extension(BaseModel):
    """Options without a field in OpenAI's protocol: send them as `extra_body={"mlrag": {…}}`."""

    model_config = ConfigDict(extra="forbid")

    lang: str | None = None
    k: K = None
    filters: FilterMap = {}
    cross_language: bool | None = None
    think: bool | None = None
    footnotes: bool = Field(default=True, description="Add citation marks to the text, and the sources below it.")
    unchecked: bool = Field(
        default=False,
        description="Stream the text before it is checked; a chunk with mlrag.restart discards all of it.",
    )


class StreamOptions(BaseModel):
    include_usage: bool = False


class ChatRequest(BaseModel):
    """The last message is the question; those before it are the conversation."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model": "extractive",
                    "messages": [{"role": "user", "content": "டெங்கு கொசு எப்போது கடிக்கும்?"}],
                    "mlrag": {"lang": "ta"},
                }
            ]
        }
    )

    model: str = Field(min_length=1, max_length=200, description="An id of /v1/models, or any variant.")
    messages: list[ChatMessage] = Field(min_length=1, max_length=2000)
    stream: bool = False
    stream_options: StreamOptions | None = None
    n: Literal[1] | None = None
    mlrag: Extension = Extension()

    def to_request(self) -> AskRequest:
        """Return the question with the latest earlier messages as turns, without our own footnotes."""
        turns: list[ConversationTurn] = []
        for message in self.messages[:-1]:
            if message.role == "user" and message.text.strip():
                turns.append(ConversationTurn(role="user", text=message.text[:MAX_TURN]))
            elif message.role == "assistant" and message.text.strip():
                text = message.text.split(FOOTNOTES)[0]
                turns.append(ConversationTurn(role="assistant", text=text[:MAX_TURN]))
        options: dict[str, Any] = self.mlrag.model_dump(include={"lang", "k", "filters", "cross_language", "think"})
        return AskRequest(q=self.messages[-1].text, variant=self.model, turns=turns[-MAX_TURNS:], **options)


class EmbeddingsRequest(BaseModel):
    """`input_type` is an extension: "passage" (the default) for documents, "query" for questions."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"model": "bundled", "input": ["பருவமழை அக்டோபரில் தொடங்குகிறது."]},
                {"model": "bundled", "input": "மழை எப்போது?", "input_type": "query"},
            ]
        }
    )

    model: str = Field(max_length=300)
    input: InputText | Annotated[list[InputText], Field(min_length=1, max_length=MAX_INPUTS)]
    input_type: Literal["query", "passage"] = "passage"
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None


class ModelCard(BaseModel):
    id: str = Field(examples=["extractive"])
    object: Literal["model"]
    created: int
    owned_by: str


class ModelList(BaseModel):
    object: Literal["list"]
    data: list[ModelCard]


class CompletionUsage(BaseModel):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class AssistantMessage(BaseModel):
    role: Literal["assistant"]
    content: str = Field(
        examples=["இந்த கொசு பெரும்பாலும் பகல் நேரத்தில் கடிக்கும். [1]\n\n[1] டெங்கு: பகலில் கடிக்கும் கொசு (ta-dengue)"]
    )
    refusal: None


class CompletionChoice(BaseModel):
    index: int
    message: AssistantMessage
    finish_reason: Literal["stop"]
    logprobs: None


class Completion(BaseModel):
    """`usage` is null where no model reported tokens. `mlrag`: the answer as /ask gives it."""

    id: str = Field(examples=["chatcmpl-4c9184f37cff01bc"])
    object: Literal["chat.completion"]
    created: int
    model: str = Field(examples=["extractive"])
    choices: list[CompletionChoice]
    usage: CompletionUsage | None
    mlrag: AnswerReply


class EmbeddingRow(BaseModel):
    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class EmbeddingList(BaseModel):
    object: Literal["list"]
    data: list[EmbeddingRow]
    model: str
    usage: None
