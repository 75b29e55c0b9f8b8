"""Cohere's API, version 2: chat, embeddings and reranking, as its clients speak it and as its servers do.

Reference: https://docs.cohere.com/reference/chat, /reference/chat-stream, /reference/embed, /reference/rerank. This is
what is asked, and the format as a whole; ``answers`` is what a chat is answered.

What is peculiar to it:

- ``p`` and ``k`` are top_p and top_k, and have their own limits; stop sequences are five at most.
- A turn that calls tools says why in ``tool_plan``. It is read as thoughts, and whatever was said before a call, aloud
  or not, is written as one.
- Documents to be cited lie beside the messages. They are read as files of the last user message.
- Thoughts carry no signature. Those of other upstreams travel sealed, in an additional field ``signature`` of the
  block or the call, which its SDK keeps.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Raw, Struct

from ...errors import BadRequest, GatewayError, UpstreamRefused
from ...unreadable import UNREADABLE
from ..changes import in_messages
from ..chat import (
    Chat,
    File,
    Format,
    Message,
    Part,
    Reasoning,
    Refusal,
    Target,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Written,
    check_calls,
    check_choice,
)
from ..dialect import MalformedAnswerError, ModelCard
from ..events import Answer, Event
from ..operations import ARRAY, BOOLEAN, NULL, NUMBER, OBJECT, STRING, Operation
from ..reading import decoded, object_of
from ..sealed import Signature, unseal
from ..sse import COMMENT
from ..tasks import Embed, Embedded, Ranked, Rerank, Score, packed
from ..thinking import budget_of
from ..usage import counts_of
from .answers import (
    NAME,
    CohereDecoder,
    CohereEncoder,
    Used,
    answer_of,
    decode_answer,
    error_frame,
    json_text,
    told,
    usage_of,
    uuid_of,
)

__all__ = ["COHERE", "Cohere"]

# --- the request, as it is on the wire --------------------------------------------------------------------------------


class _Text(Struct, tag_field="type", tag="text"):
    text: str


class _Thought(Struct, tag_field="type", tag="thinking"):
    thinking: str
    signature: str | None = None


class _ImageUrl(Struct):
    url: str
    detail: str | None = None


class _Image(Struct, tag_field="type", tag="image_url"):
    image_url: _ImageUrl


class _Document(Struct):
    data: dict[str, Any] | str
    id: str | None = None


class _DocumentBlock(Struct, tag_field="type", tag="document"):
    document: _Document


class _CalledFunction(Struct):
    name: str
    arguments: str | None = None


class _Call(Struct):
    id: str
    function: _CalledFunction
    signature: str | None = None


class _System(Struct, tag_field="role", tag="system"):
    content: str | list[_Text]


class _User(Struct, tag_field="role", tag="user"):
    content: str | list[_Text | _Image]


class _Assistant(Struct, tag_field="role", tag="assistant"):
    content: str | list[_Text | _Thought] | None = None
    tool_plan: str | None = None
    tool_calls: list[_Call] | None = None


class _ToolMessage(Struct, tag_field="role", tag="tool"):
    tool_call_id: str
    content: str | list[_Text | _DocumentBlock]


_Message: TypeAlias = _System | _User | _Assistant | _ToolMessage


class _Function(Struct):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None


class _Tool(Struct):
    function: _Function
    type: Literal["function"] = "function"


class _ResponseFormat(Struct):
    type: Literal["text", "json_object"]
    json_schema: dict[str, Any] | None = None
    schema: dict[str, Any] | None = None
    """As it was called before v2."""


class _Thinking(Struct):
    type: Literal["enabled", "disabled"]
    token_budget: int | None = None


class _Request(Struct):
    model: str
    messages: list[_Message]
    tools: list[_Tool] | None = None
    strict_tools: bool | None = None
    tool_choice: Literal["REQUIRED", "NONE"] | None = None
    documents: list[str | _Document] | None = None
    citation_options: dict[str, Any] | None = None
    response_format: _ResponseFormat | None = None
    safety_mode: str | None = None
    max_tokens: int | None = None
    stop_sequences: list[str] | None = None
    temperature: float | None = None
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    k: int | None = None
    p: float | None = None
    logprobs: bool | None = None
    thinking: _Thinking | None = None
    priority: int | None = None
    stream: bool | None = None


class _EmbedInput(Struct):
    content: list[_Text | _Image]


class _EmbedRequest(Struct):
    model: str
    input_type: str | None = None
    texts: list[str] | None = None
    inputs: list[_EmbedInput] | None = None
    images: list[str] | None = None
    output_dimension: int | None = None
    embedding_types: list[Literal["float", "base64"]] | None = None


class _RerankText(Struct):
    text: str


class _RerankRequest(Struct):
    model: str
    query: str
    documents: list[str | _RerankText]
    top_n: int | None = None
    return_documents: bool | None = None


_OWN: Final = ("citation_options", "safety_mode", "priority")
"""Fields that only this format has, besides those that found their place in the neutral request."""

_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_anything = msgspec.json.Decoder()
_request = msgspec.json.Decoder(_Request)
_embed_request = msgspec.json.Decoder(_EmbedRequest)
_rerank_request = msgspec.json.Decoder(_RerankRequest)

_OPERATIONS: Final[dict[str, Operation]] = {
    "/v2/chat": Operation(
        name="cohere.chat",
        dialect=NAME,
        path="/v2/chat",
        task="chat",
        required={"messages": ARRAY},
        optional={
            "tools": ARRAY + NULL,
            "documents": ARRAY + NULL,
            "stop_sequences": ARRAY + NULL,
            "response_format": OBJECT + NULL,
            "thinking": OBJECT + NULL,
            "temperature": NUMBER + NULL,
            "p": NUMBER + NULL,
            "stream": BOOLEAN + NULL,
        },
        output_limits=("max_tokens",),
        choice_fields=(),
    ),
    "/v2/embed": Operation(
        name="cohere.embed",
        dialect=NAME,
        path="/v2/embed",
        task="embeddings",
        output=False,
        optional={"texts": ARRAY + NULL, "inputs": ARRAY + NULL, "images": ARRAY + NULL},
    ),
    "/v2/rerank": Operation(
        name="cohere.rerank",
        dialect=NAME,
        path="/v2/rerank",
        task="rerank",
        output=False,
        required={"query": STRING, "documents": ARRAY},
    ),
}

_PATHS: Final[dict[str, str]] = {"chat": "/chat", "embeddings": "/embed", "rerank": "/rerank"}


# --- reading a request ------------------------------------------------------------------------------------------------


def _others(body: bytes, kind: type[Struct], own: Iterable[str] = ()) -> dict[str, Any]:
    """The fields that ``kind`` does not name, and those of ``own``, as they came, without those that are null."""
    known = set(kind.__struct_fields__) - set(own)
    found = ((name, raw) for name, raw in decoded(_fields, body).items() if name not in known)
    return {name: value for name, raw in found if (value := decoded(_anything, bytes(raw))) is not None}


def _read(body: bytes) -> Chat:
    request = decoded(_request, body)
    return Chat(
        model=request.model,
        messages=_with_documents(_read_messages(request.messages), request),
        tools=tuple(_read_tool(tool.function, request.strict_tools) for tool in request.tools or ()),
        tool_choice=ToolChoice(mode=_CHOICES[request.tool_choice]) if request.tool_choice else None,
        format=_read_format(request.response_format),
        thinking=_read_thinking(request.thinking),
        max_output=request.max_tokens,
        temperature=request.temperature,
        top_p=request.p,
        top_k=request.k,
        stop=tuple(request.stop_sequences or ()),
        seed=request.seed,
        presence_penalty=request.presence_penalty,
        frequency_penalty=request.frequency_penalty,
        logprobs=0 if request.logprobs else None,
        stream=bool(request.stream),
        include_usage=True,
        others=_others(body, _Request, _OWN),
    )


_CHOICES: Final[dict[str, Literal["none", "required"]]] = {"NONE": "none", "REQUIRED": "required"}


def _read_messages(messages: Sequence[_Message]) -> list[Message]:
    names: dict[str, str] = {}
    read = []
    for message in messages:
        if isinstance(message, _ToolMessage):
            read.append(_read_result(message, names))
        elif isinstance(message, _Assistant):
            names |= {call.id: call.function.name for call in message.tool_calls or ()}
            read.append(Message(role="assistant", parts=tuple(_read_assistant(message))))
        else:
            role: Literal["system", "user"] = "system" if isinstance(message, _System) else "user"
            read.append(Message(role=role, parts=tuple(_read_blocks(message.content))))
    return read


def _read_blocks(content: str | Sequence[_Text | _Image | _Thought] | None) -> Iterator[Part]:
    if isinstance(content, str):
        yield Text(text=content)
        return
    for block in content or ():
        if isinstance(block, _Text):
            yield Text(text=block.text)
        elif isinstance(block, _Image):
            yield _read_image(block.image_url)
        else:
            yield Reasoning(text=block.thinking, signature=_unsealed(block.signature))


def _unsealed(text: str | None) -> Signature | None:
    return unseal(text, NAME) if text else None


def _read_image(image: _ImageUrl) -> File:
    if not image.url.startswith("data:"):
        return File(kind="image", url=image.url, detail=image.detail)
    head, _, data = image.url[5:].partition(",")
    media_type, _, encoding = head.partition(";")
    if encoding != "base64" or not data:
        raise BadRequest(
            "An image's URL starts with 'data:' and holds no base64. Send data:image/png;base64,… or an https URL.",
            param="messages",
            code="invalid_value",
        )
    return File(kind="image", media_type=media_type, data=data, detail=image.detail)


def _read_assistant(message: _Assistant) -> Iterator[Part]:
    blocks = list(_read_blocks(message.content))
    yield from (part for part in blocks if isinstance(part, Reasoning))
    if message.tool_plan:
        yield Reasoning(text=message.tool_plan)
    yield from (part for part in blocks if not isinstance(part, Reasoning))
    for call in message.tool_calls or ():
        yield ToolCall(
            id=call.id,
            name=call.function.name,
            arguments=call.function.arguments or "{}",
            signature=_unsealed(call.signature),
        )


def _read_result(message: _ToolMessage, names: Mapping[str, str]) -> Message:
    if isinstance(message.content, str):
        texts = [message.content]
    else:
        texts = [block.text if isinstance(block, _Text) else _data(block.document) for block in message.content]
    result = ToolResult(
        call_id=message.tool_call_id,
        name=names.get(message.tool_call_id, ""),
        parts=tuple(Text(text=text) for text in texts),
    )
    return Message(role="tool", parts=(result,))


def _data(document: _Document) -> str:
    """What a tool gave as a document is any JSON; other formats have text."""
    data = document.data
    return data if isinstance(data, str) else msgspec.json.encode(data).decode()


def _with_documents(messages: list[Message], request: _Request) -> tuple[Message, ...]:
    """Documents go with the question: before the text of the last user message."""
    files = tuple(_read_document(document, _cites(request)) for document in request.documents or ())
    last = max((at for at, message in enumerate(messages) if message.role == "user"), default=-1)
    if files and last >= 0:
        asked = messages[last]
        messages[last] = Message(role="user", parts=(*files, *asked.parts))
    return tuple(messages)


def _cites(request: _Request) -> bool:
    mode = (request.citation_options or {}).get("mode")
    return str(mode).upper() not in ("OFF", "DISABLED")


def _read_document(document: str | _Document, cited: bool) -> File:
    if isinstance(document, str):
        return File(kind="document", media_type="text/plain", text=document, cited=cited)
    if isinstance(document.data, str):
        return File(kind="document", media_type="text/plain", text=document.data, name=document.id or "", cited=cited)
    fields = dict(document.data)
    title = fields.pop("title", None)
    body = next((fields.pop(key) for key in ("text", "snippet") if isinstance(fields.get(key), str)), "")
    # Names and values of all fields are shown to the model.
    lines = [f"{name}: {value if isinstance(value, str) else json_text(value)}" for name, value in fields.items()]
    return File(
        kind="document",
        media_type="text/plain",
        text="\n".join([*lines, *([body] if body else [])]),
        name=title if isinstance(title, str) else document.id or "",
        cited=cited,
    )


def _read_tool(function: _Function, strict: bool | None) -> Tool:
    return Tool(
        name=function.name,
        description=function.description or "",
        parameters=function.parameters,
        strict=strict,
    )


def _read_format(given: _ResponseFormat | None) -> Format | None:
    if given is None or given.type == "text":
        return None
    schema = given.json_schema or given.schema
    return Format(kind="schema", schema=schema) if schema else Format(kind="json")


def _read_thinking(given: _Thinking | None) -> Thinking | None:
    if given is None:
        return None
    if given.type == "disabled":
        return Thinking(effort="none")
    return Thinking(budget=-1 if given.token_budget is None else given.token_budget)


# --- writing a request ------------------------------------------------------------------------------------------------

_MOST_STOPS: Final = 5
_PENALTIES: Final = ("frequency_penalty", "presence_penalty")
_UNSAID: Final = ("web_search", "logit_bias", "user", "metadata", "service_tier", "verbosity", "prompt_cache_key")
_SAID: Final = ("citation_options", "safety_mode", "priority")
"""Of ``others``."""


def _write(chat: Chat, target: Target) -> Written:
    check_calls(chat)
    check_choice(chat)
    conversation = _Conversation()
    for index, message in enumerate(chat.messages):
        conversation.add(message, f"messages[{index}]")
    conversation.flush()
    if all(message["role"] == "system" for message in conversation.messages):
        raise BadRequest(
            "There is no message to answer, only instructions. Add a message of the user.",
            param="messages",
            code="invalid_value",
        )
    missing = {name for name in _UNSAID if getattr(chat, name) is not None}
    missing |= {name for name in chat.others if name not in _SAID}
    sampling, unsampled = _write_sampling(chat)
    body: dict[str, Any] = {
        "model": target.model,
        "messages": conversation.messages,
        **_write_tools(chat, missing),
        **({"documents": conversation.documents} if conversation.documents else {}),
        **_write_format(chat, missing, documents=bool(conversation.documents)),
        **_write_thinking(chat),
        **sampling,
        **{name: chat.others[name] for name in _SAID if name in chat.others},
        "stream": target.stream,
    }
    return Written(body=body, dropped=_in_order(chat, missing | unsampled))


def _in_order(chat: Chat, names: set[str]) -> tuple[str, ...]:
    return tuple(name for name in (*Chat.__struct_fields__, *chat.others) if name in names)


class _Conversation:
    """The messages as they are written, and the documents that go beside them.

    "system turn must be the first in the list", says https://docs.cohere.com/reference/errors: all instructions at the
    beginning are one, and those that come later are said by the user, as what they are."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.documents: list[dict[str, Any]] = []
        self._images: list[dict[str, Any]] = []

    def add(self, message: Message, param: str) -> None:
        if message.role != "tool":
            self.flush()
        if message.role == "tool":
            self._tool(message, param)
        elif message.role == "assistant":
            self._assistant(message, param)
        else:
            self._said(message, param)

    def _instruct(self, blocks: list[dict[str, Any]]) -> None:
        if not self.messages:
            self.messages.append({"role": "system", "content": blocks})
        elif self.messages[-1]["role"] == "system":
            self.messages[-1]["content"] += blocks
        else:
            marked = [block | {"text": f"<system>\n{block['text']}\n</system>"} for block in blocks]
            self.messages.append({"role": "user", "content": marked})

    def flush(self) -> None:
        """Only a user's message holds images: those of others follow it, as one."""
        if self._images:
            self.messages.append({"role": "user", "content": self._images})
            self._images = []

    def _said(self, message: Message, param: str) -> None:
        blocks = self._blocks(message.parts, param)
        if not blocks:
            return
        if message.role == "system":
            self._instruct(blocks)
            return
        only_text = len(blocks) == 1 and blocks[0]["type"] == "text"
        self.messages.append({"role": "user", "content": blocks[0]["text"] if only_text else blocks})

    def _blocks(self, parts: Iterable[Part], param: str) -> list[dict[str, Any]]:
        blocks = []
        for part in parts:
            if isinstance(part, Text | Refusal) and part.text:
                blocks.append({"type": "text", "text": part.text})
            elif isinstance(part, File) and (block := self._file(part, param)):
                blocks.append(block)
        return blocks

    def _file(self, file: File, param: str) -> dict[str, Any] | None:
        if file.kind == "image":
            detail = {"detail": file.detail} if file.detail else {}
            return {"type": "image_url", "image_url": {"url": _image_url(file, param), **detail}}
        text = _plain(file, param)
        if not file.cited:
            return {"type": "text", "text": f"{file.name}\n{text}" if file.name else text}
        self.documents.append({"data": {"text": text, **({"title": file.name} if file.name else {})}})
        return None

    def _assistant(self, message: Message, param: str) -> None:
        calls = [part for part in message.parts if isinstance(part, ToolCall)]
        text = "".join(part.text for part in message.parts if isinstance(part, Text | Refusal))
        if calls:
            # Thoughts that somebody else signed are for nobody else.
            thoughts = "".join(part.text for part in message.parts if isinstance(part, Reasoning) and _bare(part))
            plan = "\n\n".join(said for said in (thoughts, text) if said)
            written: dict[str, Any] = {"role": "assistant", "tool_calls": [_write_call(call, param) for call in calls]}
            self.messages.append(written | ({"tool_plan": plan} if plan else {}))
        elif text:
            self.messages.append({"role": "assistant", "content": text})
        self._images += self._blocks((part for part in message.parts if isinstance(part, File)), param)

    def _tool(self, message: Message, param: str) -> None:
        for result in (part for part in message.parts if isinstance(part, ToolResult)):
            blocks = self._blocks(result.parts, param)
            texts = [block["text"] for block in blocks if block["type"] == "text"]
            content = ("Error: " if result.error else "") + "\n".join(texts)
            # A result without any content is refused.
            self.messages.append({"role": "tool", "tool_call_id": result.call_id, "content": content or "(empty)"})
            if images := [block for block in blocks if block["type"] != "text"]:
                whose = f"Of the result of the tool {result.name or result.call_id}:"
                self._images += [{"type": "text", "text": whose}, *images]


def _bare(thought: Reasoning) -> bool:
    return thought.signature is None or thought.signature.dialect == NAME


def _image_url(file: File, param: str) -> str:
    if file.data is not None:
        return f"data:{file.media_type or 'image/png'};base64,{file.data}"
    if file.url is not None and file.url.startswith(("https:", "http:")):
        return file.url
    raise BadRequest(
        "The image is neither data nor an http URL, which is all that the model's provider takes. Send its data.",
        param=param,
        code="invalid_value",
    )


def _plain(file: File, param: str) -> str:
    if file.text is not None:
        return file.text
    if file.data is not None and file.media_type.startswith("text/"):
        try:
            return base64.b64decode(file.data).decode()
        except ValueError:
            pass
    what = f"The {file.kind}{f' {file.name[:80]!r}' if file.name else ''} cannot be sent to this model's provider"
    raise BadRequest(f"{what}, which takes images and plain text. Send its text.", param=param, code="invalid_value")


def _write_call(call: ToolCall, param: str) -> dict[str, Any]:
    if call.custom:
        arguments = json_text({"input": call.arguments})
    else:
        object_of(call.arguments, call.name, param)
        arguments = call.arguments.strip() or "{}"
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _write_tools(chat: Chat, missing: set[str]) -> dict[str, Any]:
    """A choice of some tools is said by offering no others."""
    choice = chat.tool_choice
    offered = [tool for tool in chat.tools if choice is None or not choice.names or tool.name in choice.names]
    if chat.parallel_tool_calls is False:
        missing.add("parallel_tool_calls")
    if not offered:
        if choice is not None and choice.mode == "required":
            missing.add("tool_choice")
        return {}
    written: dict[str, Any] = {"tools": [_write_tool(tool) for tool in offered]}
    if any(tool.strict for tool in offered):
        written["strict_tools"] = True
    if choice is not None and choice.mode != "auto":
        written["tool_choice"] = choice.mode.upper()
    return written


_FREE_TEXT: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"input": {"type": "string"}},
    "required": ["input"],
}


def _write_tool(tool: Tool) -> dict[str, Any]:
    given = _FREE_TEXT if tool.custom else tool.parameters or {"type": "object", "properties": {}}
    schema = {name: value for name, value in given.items() if name != "$schema"}
    function: dict[str, Any] = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    function["parameters"] = schema if "type" in schema else {"type": "object", **schema}
    return {"type": "function", "function": function}


def _write_format(chat: Chat, missing: set[str], *, documents: bool) -> dict[str, Any]:
    """https://docs.cohere.com/v2/reference/chat: a form of the answer goes with neither tools nor documents."""
    if chat.format is None:
        return {}
    if chat.tools or documents:
        missing.add("format")
        return {}
    schema = {"json_schema": chat.format.schema} if chat.format.schema is not None else {}
    return {"response_format": {"type": "json_object", **schema}}


def _write_thinking(chat: Chat) -> dict[str, Any]:
    if chat.thinking is None:
        return {}
    budget = budget_of(chat.thinking)
    if budget == 0:
        return {"thinking": {"type": "disabled"}}
    if budget is None:
        return {"thinking": {"type": "enabled"}}
    if chat.max_output is not None:
        budget = max(1, min(budget, chat.max_output - 1))  # thoughts are output too: leave some for the answer
    return {"thinking": {"type": "enabled", "token_budget": budget}}


def _write_sampling(chat: Chat) -> tuple[dict[str, Any], set[str]]:
    """Values beyond the limits are moved to the nearest within; a negative penalty has no near one, and there is only
    one penalty at a time (https://docs.cohere.com/reference/errors)."""
    penalties = {name: value for name in _PENALTIES if (value := getattr(chat, name))}
    penalty = next(((name, min(value, 1)) for name, value in penalties.items() if value > 0), None)
    missing = penalties.keys() - {penalty[0] if penalty else ""}
    if chat.n > 1:
        missing.add("n")
    if chat.logprobs:
        missing.add("logprobs")  # those of the chosen tokens are told, no alternatives
    if len(chat.stop) > _MOST_STOPS:
        missing.add("stop")
    said = {
        "max_tokens": chat.max_output,
        "temperature": _within(chat.temperature, 0, 1),
        "p": _within(chat.top_p, 0.01, 0.99),
        "k": _within(chat.top_k, 0, 500),
        "stop_sequences": list(chat.stop[:_MOST_STOPS]) or None,
        "seed": chat.seed,
        **dict([penalty] if penalty else ()),
        "logprobs": True if chat.logprobs is not None else None,
    }
    return {name: value for name, value in said.items() if value is not None}, missing


def _within(value: float | None, low: float, high: float) -> float | None:
    return None if value is None else min(max(value, low), high)


# --- embeddings and reranking -----------------------------------------------------------------------------------------

_PURPOSES: Final[dict[str, str]] = {
    "search_document": "search_document",
    "search_query": "search_query",
    "classification": "classification",
    "clustering": "clustering",
    "document": "search_document",
    "passage": "search_document",
    "query": "search_query",
    "retrieval_document": "search_document",
    "retrieval_query": "search_query",
    "question_answering": "search_query",
    "fact_verification": "search_query",
    "code_retrieval_query": "search_query",
}
"""What other formats call what embeddings are for, in small letters."""

_EMBED_SAID: Final = ("truncate", "max_tokens", "priority")
_RERANK_SAID: Final = ("max_tokens_per_doc", "priority")


class _Vectors(Struct):
    floats: list[list[float]] | None = msgspec.field(default=None, name="float")


class _EmbedAnswer(Struct):
    embeddings: _Vectors | list[list[float]]
    meta: Used | None = None


class _Result(Struct):
    index: int
    relevance_score: float


class _RerankAnswer(Struct):
    results: list[_Result]
    meta: Used | None = None


_embed_answer = msgspec.json.Decoder(_EmbedAnswer)
_rerank_answer = msgspec.json.Decoder(_RerankAnswer)


def _read_inputs(request: _EmbedRequest) -> tuple[str, ...]:
    blocks = [block for given in request.inputs or () for block in given.content]
    if request.images or any(isinstance(block, _Image) for block in blocks):
        raise BadRequest(
            "The model that serves this embeds texts alone. Leave the images out.",
            param="images" if request.images else "inputs",
            code="invalid_value",
        )
    joined = [
        "\n".join(block.text for block in given.content if isinstance(block, _Text)) for given in request.inputs or ()
    ]
    inputs = (*(request.texts or ()), *joined)
    if not inputs:
        raise BadRequest("There is nothing to embed. Send texts.", param="texts", code="missing_required_parameter")
    return inputs


def _only(others: Mapping[str, Any], said: Sequence[str]) -> dict[str, Any]:
    return {name: others[name] for name in said if name in others}


# --- all of it --------------------------------------------------------------------------------------------------------


class _ErrorBody(Struct):
    message: Any = None
    error: Any = None


_error_body = msgspec.json.Decoder(_ErrorBody)


class Cohere:
    """Both sides of the format."""

    name = NAME
    list_path = "/v2/models"
    skims = False
    takes_links = True
    stream_type = "text/event-stream"
    keep_alive = COMMENT
    request_id_header = "x-debug-trace-id"
    passed_headers = frozenset({b"x-client-name"})
    names: Mapping[str, str] = {
        "format": "response_format",
        "max_output": "max_tokens",
        "stop": "stop_sequences",
        "top_k": "k",
        "top_p": "p",
    }
    version = "v2"
    key_header = ("authorization", "Bearer ")
    headers: tuple[tuple[str, str], ...] = ()
    tasks = frozenset(_PATHS)

    # as clients speak it

    def operation(self, path: str) -> Operation | None:
        return _OPERATIONS.get(path)

    def owns(self, path: str, headers: Mapping[bytes, bytes], query: str) -> bool:  # noqa: ARG002
        """The SDK lists models at a path that others have too, and says who it is."""
        return path.startswith("/v2/") or headers.get(b"x-fern-sdk-name") == b"cohere"

    def error(self, error: GatewayError, request_id: str) -> bytes:
        return msgspec.json.encode({**({"id": request_id} if request_id else {}), "message": error.message})

    def error_event(self, error: GatewayError) -> bytes:
        return error_frame(error)

    def models(self, cards: Sequence[ModelCard]) -> object:
        return {"models": [self.model(card) for card in cards]}

    def model(self, card: ModelCard) -> object:
        return {"name": card.id, "is_deprecated": False, "finetuned": False}

    def read(self, operation: Operation, body: bytes) -> Chat:  # noqa: ARG002
        return _read(body)

    def answer(self, answer: Answer, chat: Chat, call_id: str) -> bytes:  # noqa: ARG002
        return answer_of(answer, call_id)

    def encoder(self, chat: Chat, call_id: str) -> CohereEncoder:  # noqa: ARG002
        return CohereEncoder(call_id)

    def read_embed(self, operation: Operation, body: bytes) -> Embed:  # noqa: ARG002
        request = decoded(_embed_request, body)
        return Embed(
            model=request.model,
            inputs=_read_inputs(request),
            dimensions=request.output_dimension,
            base64="base64" in (request.embedding_types or ()),
            purpose=request.input_type,
            others=_others(body, _EmbedRequest),
        )

    def answer_embed(self, embedded: Embedded, embed: Embed, call_id: str) -> bytes:
        vectors: dict[str, Any] = {"float": embedded.vectors}
        if embed.base64:
            vectors["base64"] = [packed(vector) for vector in embedded.vectors]
        used = {"billed_units": {"input_tokens": embedded.usage.input}} if embedded.usage else {}
        return msgspec.json.encode(
            {
                "id": uuid_of(call_id),
                "response_type": "embeddings_by_type",
                "embeddings": vectors,
                "texts": [text for text in embed.inputs if isinstance(text, str)],
                "meta": {"api_version": {"version": "2"}, **used},
            }
        )

    def read_rerank(self, operation: Operation, body: bytes) -> Rerank:  # noqa: ARG002
        request = decoded(_rerank_request, body)
        return Rerank(
            model=request.model,
            query=request.query,
            documents=tuple(given if isinstance(given, str) else given.text for given in request.documents),
            top_n=request.top_n,
            return_documents=bool(request.return_documents),
            others=_others(body, _RerankRequest),
        )

    def answer_rerank(self, ranked: Ranked, rerank: Rerank, call_id: str) -> bytes:
        results = []
        for score in ranked.scores[: rerank.top_n]:
            result: dict[str, Any] = {"index": score.index, "relevance_score": score.score}
            if rerank.return_documents and score.index < len(rerank.documents):
                result["document"] = {"text": rerank.documents[score.index]}
            results.append(result)
        units = 1 if ranked.units is None else ranked.units
        meta = {"api_version": {"version": "2"}, "billed_units": {"search_units": units}}
        return msgspec.json.encode({"id": uuid_of(call_id), "results": results, "meta": meta})

    # as upstreams speak it

    def path(self, operation: Operation, model: str, *, stream: bool) -> str | None:  # noqa: ARG002
        return _PATHS.get(operation.task)

    def instructed(self, operation: Operation, fields: Mapping[str, Raw], prompt: str) -> Mapping[str, bytes | None]:  # noqa: ARG002
        return in_messages(fields, prompt)

    def write(self, chat: Chat, target: Target) -> Written:
        return _write(chat, target)

    def decode(self, body: bytes, target: Target) -> list[Event]:  # noqa: ARG002
        return list(decode_answer(body))

    def decoder(self, target: Target) -> CohereDecoder:  # noqa: ARG002
        return CohereDecoder()

    def refusal(self, status: int, body: bytes) -> GatewayError:
        try:
            told = _error_body.decode(body)
        except UNREADABLE:
            told = _ErrorBody()
        text = next((text for text in (told.message, told.error) if isinstance(text, str) and text), "")
        # There is no code for it, and clients shorten the conversation when they are told.
        code = "context_length_exceeded" if status == 400 and text.lower().startswith("too many tokens") else None
        said = text or f"The model's provider refused this with status {status}."
        return UpstreamRefused(said, status=status, code=code)

    def write_embed(self, embed: Embed, target: Target) -> Written:
        texts = [text for text in embed.inputs if isinstance(text, str)]
        if len(texts) < len(embed.inputs):
            raise BadRequest(
                "The model's provider takes no tokenized input. Send texts.", param="input", code="invalid_value"
            )
        purpose = _PURPOSES.get((embed.purpose or "search_document").lower())
        missing = {name for name in ("title", "user") if getattr(embed, name) is not None}
        missing |= {"purpose"} if purpose is None else set()
        missing |= embed.others.keys() - set(_EMBED_SAID)
        body: dict[str, Any] = {
            "model": target.model,
            "texts": texts,
            "input_type": purpose or "search_document",
            "embedding_types": ["float"],
            **({"output_dimension": embed.dimensions} if embed.dimensions is not None else {}),
            **_only(embed.others, _EMBED_SAID),
        }
        return Written(body=body, dropped=tuple(n for n in (*Embed.__struct_fields__, *embed.others) if n in missing))

    def decode_embed(self, body: bytes) -> Embedded:
        answered: _EmbedAnswer = told(_embed_answer, body)
        given = answered.embeddings
        vectors = given.floats if isinstance(given, _Vectors) else given
        if vectors is None:
            raise MalformedAnswerError("there are no embeddings as numbers")
        usage = usage_of(answered.meta) if answered.meta else None
        return Embedded(vectors=tuple(tuple(vector) for vector in vectors), usage=usage)

    def write_rerank(self, rerank: Rerank, target: Target) -> Written:
        body: dict[str, Any] = {
            "model": target.model,
            "query": rerank.query,
            "documents": list(rerank.documents),
            **({"top_n": rerank.top_n} if rerank.top_n is not None else {}),
            **_only(rerank.others, _RERANK_SAID),
        }
        return Written(body=body, dropped=tuple(name for name in rerank.others if name not in _RERANK_SAID))

    def decode_rerank(self, body: bytes) -> Ranked:
        answered: _RerankAnswer = told(_rerank_answer, body)
        meta = answered.meta or Used()
        scores = sorted((Score(result.index, result.relevance_score) for result in answered.results), key=_worse)
        return Ranked(
            scores=tuple(scores),
            usage=usage_of(meta),
            units=counts_of(meta.billed_units).get("search_units"),
        )


def _worse(score: Score) -> float:
    return -score.score


COHERE: Final = Cohere()
