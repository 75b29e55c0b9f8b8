"""Ollama's own API: chat, a prompt's continuation and embeddings, as its clients speak it and as its servers do.

Reference: https://github.com/ollama/ollama/blob/main/docs/api.md. (Its servers also speak OpenAI's format, below /v1.)
This is what is asked, and the format as a whole; ``answers`` is what is answered.

What is peculiar to it:

- It streams unless told not to, as lines of JSON. One that came at once is such a line, the only one.
- Arguments of tool calls are objects, and calls come whole. Older servers give them no id, and its SDKs keep none:
  results are told apart by the tool's name and their order.
- What is said about sampling lies in ``options``, together with how the server is to run the model. Options that no
  other format has are known by their own name.
- Images are bare base64, without their type.
- It ends with ``done_reason`` "stop" when tools are called, too.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from ...errors import BadRequest, GatewayError, UpstreamRefused
from ...models import Usage
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
    ToolResult,
    Written,
    check_calls,
    check_choice,
)
from ..dialect import MalformedAnswerError, ModelCard
from ..events import Answer, Event
from ..operations import ARRAY, BOOLEAN, NULL, OBJECT, STRING, Operation
from ..reading import decoded, object_of
from ..sealed import unseal
from ..tasks import Embed, Embedded
from ..thinking import effort_of
from ..usage import count_of
from .answers import (
    NAME,
    OllamaDecoder,
    OllamaEncoder,
    Prompted,
    answer_of,
    error_of,
    image_of,
    json_text,
    stamp_of,
    told,
)

__all__ = ["OLLAMA", "Ollama"]

# --- the request, as it is on the wire --------------------------------------------------------------------------------


class _CalledFunction(Struct):
    name: str
    arguments: dict[str, Any] | None = None


class _Call(Struct):
    function: _CalledFunction
    id: str | None = None
    signature: str | None = None


class _Message(Struct):
    role: Literal["system", "user", "assistant", "tool"]
    content: str | None = None
    thinking: str | None = None
    images: list[str] | None = None
    tool_calls: list[_Call] | None = None
    tool_name: str | None = None
    tool_call_id: str | None = None


class _Function(Struct):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None


class _Tool(Struct):
    function: _Function


class _Options(Struct):
    """Those that other formats have as well."""

    num_predict: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: list[str] | str | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None


class _Asked(Struct):
    """What a chat and a prompt have in common."""

    model: str
    stream: bool | None = None
    format: dict[str, Any] | str | None = None
    options: _Options | None = None
    think: bool | str | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None


class _ChatRequest(_Asked):
    messages: list[_Message] | None = None
    tools: list[_Tool] | None = None


class _GenerateRequest(_Asked):
    prompt: str | None = None
    system: str | None = None
    images: list[str] | None = None


class _EmbedRequest(Struct):
    model: str
    input: str | list[str]
    dimensions: int | None = None


class _EmbeddingsRequest(Struct):
    model: str
    prompt: str


_RUNNING: Final = (
    *("num_ctx", "num_keep", "num_batch", "num_gpu", "main_gpu", "num_thread", "use_mmap", "min_p", "typical_p"),
    *("repeat_last_n", "repeat_penalty", "mirostat", "mirostat_eta", "mirostat_tau", "penalize_newline"),
)
"""Of ``others``, what goes into ``options``."""

_BESIDE: Final = ("keep_alive", "truncate", "shift")
"""Of ``others``, what goes beside them."""

_fields = msgspec.json.Decoder(dict[str, Raw])
_anything = msgspec.json.Decoder()
_chat_request = msgspec.json.Decoder(_ChatRequest)
_generate_request = msgspec.json.Decoder(_GenerateRequest)
_embed_request = msgspec.json.Decoder(_EmbedRequest)
_embeddings_request = msgspec.json.Decoder(_EmbeddingsRequest)

_ASKED: Final = {"format": OBJECT + STRING + NULL, "options": OBJECT + NULL, "stream": BOOLEAN + NULL}
_PROMPT: Final = {"prompt": STRING + NULL, "system": STRING + NULL, "images": ARRAY + NULL}
_CHATS: Final = Operation(
    name="",
    dialect=NAME,
    task="chat",
    output_limits=("options.num_predict",),
    choice_fields=(),
    streams=True,
)
_EMBEDS: Final = Operation(name="", dialect=NAME, task="embeddings", output=False)


def _at(path: str, like: Operation, *, optional: dict[str, bytes] | None = None, **required: bytes) -> Operation:
    name = f"ollama.{path.rpartition('/')[2]}"
    return replace(like, name=name, path=path, required=required, optional=optional or {})


_OPERATIONS: Final[dict[str, Operation]] = {
    operation.path: operation
    for operation in (
        _at("/api/chat", _CHATS, optional={"tools": ARRAY + NULL, **_ASKED}, messages=ARRAY),
        _at("/api/generate", _CHATS, optional=_PROMPT | _ASKED),
        _at("/api/embed", _EMBEDS, input=STRING + ARRAY),
        _at("/api/embeddings", _EMBEDS, prompt=STRING),
    )
}
_PATHS: Final[dict[str, str]] = {"chat": "/api/chat", "embeddings": "/api/embed"}


# --- reading a request ------------------------------------------------------------------------------------------------


def _read(operation: Operation, body: bytes) -> Chat:
    if operation.path == "/api/generate":
        prompt = decoded(_generate_request, body)
        return Prompted(messages=tuple(_read_prompt(prompt)), **_read_asked(prompt, body))
    request = decoded(_chat_request, body)
    return Chat(
        messages=_History().read(request.messages or ()),
        tools=tuple(_read_tool(tool.function) for tool in request.tools or ()),
        **_read_asked(request, body),
    )


def _read_tool(function: _Function) -> Tool:
    return Tool(name=function.name, description=function.description or "", parameters=function.parameters)


def _read_asked(request: _Asked, body: bytes) -> dict[str, Any]:
    options = request.options or _Options()
    stop = options.stop or ()
    return {
        "model": request.model,
        "format": _read_format(request.format),
        "thinking": _read_thinking(request.think),
        # Less than nothing is as much as the model likes.
        "max_output": options.num_predict if options.num_predict is not None and options.num_predict > 0 else None,
        "temperature": options.temperature,
        "top_p": options.top_p,
        "top_k": options.top_k,
        "stop": (stop,) if isinstance(stop, str) else tuple(stop),
        "seed": options.seed,
        "presence_penalty": options.presence_penalty,
        "frequency_penalty": options.frequency_penalty,
        "logprobs": (request.top_logprobs or 0) if request.logprobs else None,
        "stream": request.stream is not False,
        "include_usage": True,
        "others": _others(body, type(request)),
    }


def _others(body: bytes, kind: type[Struct]) -> dict[str, Any]:
    """Fields and options that only this format has, without those that are null."""
    found = decoded(_fields, body)
    raws = {name: raw for name, raw in found.items() if name not in kind.__struct_fields__}
    if "options" in kind.__struct_fields__ and (options := found.get("options")) and bytes(options) != b"null":
        inner = decoded(_fields, bytes(options))
        raws |= {name: raw for name, raw in inner.items() if name not in _Options.__struct_fields__}
    return {name: value for name, raw in raws.items() if (value := decoded(_anything, bytes(raw))) is not None}


def _read_prompt(request: _GenerateRequest) -> Iterator[Message]:
    if request.system:
        yield Message(role="system", parts=(Text(text=request.system),))
    images = tuple(image_of(data, "images") for data in request.images or ())
    if request.prompt or images:
        yield Message(role="user", parts=(*_text(request.prompt), *images))


def _text(text: str | None) -> tuple[Text, ...]:
    return (Text(text=text),) if text else ()


class _History:
    """The messages, with ids for the calls that have none. They are made of their place, so that the same history has
    the same ids again, and whoever caches prompts finds it."""

    def __init__(self) -> None:
        self._open: list[ToolCall] = []

    def read(self, messages: Sequence[_Message]) -> tuple[Message, ...]:
        return tuple(self._message(message, at) for at, message in enumerate(messages))

    def _message(self, message: _Message, at: int) -> Message:
        images = tuple(image_of(data, f"messages[{at}].images") for data in message.images or ())
        if message.role == "tool":
            parts: tuple[Text | File, ...] = (*_text(message.content), *images)
            call_id, name = self._answered(message)
            return Message(role="tool", parts=(ToolResult(call_id=call_id, name=name, parts=parts),))
        if message.role == "assistant":
            calls = [_read_call(call, f"call_{at}_{nth}") for nth, call in enumerate(message.tool_calls or ())]
            self._open += calls
            thoughts = (Reasoning(text=message.thinking),) if message.thinking else ()
            return Message(role="assistant", parts=(*thoughts, *_text(message.content), *images, *calls))
        return Message(role=message.role, parts=(*_text(message.content), *images))

    def _answered(self, message: _Message) -> tuple[str, str]:
        """The call that a result is of: by its id, else the first that is open of the tool, else the first of any."""
        wanted = message.tool_call_id or message.tool_name
        for call in self._open:
            if not wanted or wanted == (call.id if message.tool_call_id else call.name):
                self._open.remove(call)
                return call.id, call.name
        return message.tool_call_id or message.tool_name or "", message.tool_name or ""


def _read_call(call: _Call, call_id: str) -> ToolCall:
    return ToolCall(
        id=call.id or call_id,
        name=call.function.name,
        arguments=json_text(call.function.arguments or {}),
        signature=unseal(call.signature, NAME) if call.signature else None,
    )


def _read_format(given: dict[str, Any] | str | None) -> Format | None:
    if not given:
        return None
    if isinstance(given, dict):
        return Format(kind="schema", schema=given)
    if given != "json":
        raise BadRequest(
            f"The format {given[:80]!r} is not known. Send 'json', or a JSON schema.",
            param="format",
            code="invalid_value",
        )
    return Format(kind="json")


_THOUGHTS: Final[dict[bool | str, Thinking]] = {
    True: Thinking(budget=-1, shown=True),
    False: Thinking(effort="none"),
    "low": Thinking(effort="low", shown=True),
    "medium": Thinking(effort="medium", shown=True),
    "high": Thinking(effort="high", shown=True),
    "max": Thinking(effort="max", shown=True),
}


def _read_thinking(given: bool | str | None) -> Thinking | None:
    if given is None:
        return None
    if given not in _THOUGHTS:
        raise BadRequest(
            f"{given!r:.80} is no way to think. Send true, false, 'low', 'medium' or 'high'.",
            param="think",
            code="invalid_value",
        )
    return _THOUGHTS[given]


# --- writing a request ------------------------------------------------------------------------------------------------

_UNSAID: Final = ("web_search", "logit_bias", "user", "metadata", "service_tier", "verbosity", "prompt_cache_key")
_SAMPLING: Final = ("temperature", "top_p", "top_k", "stop", "seed", "presence_penalty", "frequency_penalty")
_OPTIONS: Final[dict[str, str]] = {"max_output": "num_predict", **{name: name for name in _SAMPLING}}
"""The fields of ``Chat`` that are options, and their names there."""


def _write(chat: Chat, target: Target) -> Written:
    check_calls(chat)
    check_choice(chat)
    names = {part.id: part.name for message in chat.messages for part in message.parts if isinstance(part, ToolCall)}
    messages = [
        said for at, message in enumerate(chat.messages) for said in _write_message(message, names, f"messages[{at}]")
    ]
    if not messages:
        raise BadRequest("There is no message to answer. Send one of the user.", param="messages", code="invalid_value")
    missing = {name for name in _UNSAID if getattr(chat, name) is not None}
    missing |= chat.others.keys() - {*_RUNNING, *_BESIDE}
    if chat.n > 1:
        missing.add("n")
    if chat.parallel_tool_calls is False:
        missing.add("parallel_tool_calls")
    body: dict[str, Any] = {
        "model": target.model,
        "messages": messages,
        **_write_tools(chat, missing),
        **_write_format(chat.format),
        **_write_thinking(chat.thinking),
        **_write_options(chat),
        **_write_logprobs(chat.logprobs),
        **{name: chat.others[name] for name in _BESIDE if name in chat.others},
        "stream": target.stream,
    }
    dropped = tuple(name for name in (*Chat.__struct_fields__, *chat.others) if name in missing)
    return Written(body=body, dropped=dropped)


def _write_message(message: Message, names: Mapping[str, str], param: str) -> Iterator[dict[str, Any]]:
    if message.role == "tool":
        results = (part for part in message.parts if isinstance(part, ToolResult))
        yield from (_write_result(result, result.name or names[result.call_id], param) for result in results)
        return
    calls = [part for part in message.parts if isinstance(part, ToolCall)]
    spoken = _spoken(message.parts, "" if message.role == "assistant" else "\n", param)
    thoughts = "".join(part.text for part in message.parts if isinstance(part, Reasoning) and _bare(part))
    written: dict[str, Any] = {"role": message.role, **spoken}
    if thoughts:
        written["thinking"] = thoughts
    if calls:
        written["tool_calls"] = [_write_call(call, param) for call in calls]
    if len(written) > 2 or written["content"]:
        yield written


def _bare(thought: Reasoning) -> bool:
    """Thoughts that somebody else signed are for nobody else."""
    return thought.signature is None or thought.signature.dialect == NAME


def _spoken(parts: Iterable[Part], joint: str, param: str) -> dict[str, Any]:
    texts, images = [], []
    for part in parts:
        if isinstance(part, Text | Refusal) and part.text:
            texts.append(part.text)
        elif isinstance(part, File) and part.kind == "image":
            images.append(_write_image(part, param))
        elif isinstance(part, File):
            texts.append(f"{part.name}\n{_plain(part, param)}" if part.name else _plain(part, param))
    return {"content": joint.join(texts), **({"images": images} if images else {})}


def _write_image(file: File, param: str) -> str:
    if file.data is None:
        raise BadRequest(
            "The model's server takes images as data, not as a URL or an id. Send data:image/png;base64,…",
            param=param,
            code="invalid_value",
        )
    return file.data


def _plain(file: File, param: str) -> str:
    if file.text is not None:
        return file.text
    if file.data is not None and file.media_type.startswith("text/"):
        try:
            return base64.b64decode(file.data).decode()
        except ValueError:
            pass
    what = f"The {file.kind}{f' {file.name[:80]!r}' if file.name else ''} cannot be sent to this model's server"
    raise BadRequest(f"{what}, which takes images and plain text. Send its text.", param=param, code="invalid_value")


def _write_call(call: ToolCall, param: str) -> dict[str, Any]:
    arguments = {"input": call.arguments} if call.custom else object_of(call.arguments, call.name, param)
    return {"id": call.id, "function": {"name": call.name, "arguments": arguments}}


def _write_result(result: ToolResult, name: str, param: str) -> dict[str, Any]:
    spoken = _spoken(result.parts, "\n", param)
    if result.error:
        spoken["content"] = f"Error: {spoken['content']}"
    return {"role": "tool", **spoken, "tool_name": name, "tool_call_id": result.call_id}


def _write_tools(chat: Chat, missing: set[str]) -> dict[str, Any]:
    """A tool that must not be called is not offered; that one must be called cannot be said."""
    choice = chat.tool_choice
    if choice is not None and choice.mode == "none":
        return {}
    if choice is not None and choice.mode == "required":
        missing.add("tool_choice")
    offered = [tool for tool in chat.tools if choice is None or not choice.names or tool.name in choice.names]
    return {"tools": [_write_tool(tool) for tool in offered]} if offered else {}


_FREE_TEXT: Final = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}


def _write_tool(tool: Tool) -> dict[str, Any]:
    given: dict[str, Any] = _FREE_TEXT if tool.custom else tool.parameters or {"type": "object", "properties": {}}
    schema = {name: value for name, value in given.items() if name != "$schema"}
    return {
        "type": "function",
        "function": {
            "name": tool.name,
            **({"description": tool.description} if tool.description else {}),
            "parameters": schema if "type" in schema else {"type": "object", **schema},
        },
    }


def _write_format(wanted: Format | None) -> dict[str, Any]:
    if wanted is None:
        return {}
    return {"format": "json" if wanted.kind == "json" or wanted.schema is None else wanted.schema}


_LEVELS: Final[dict[str, bool | str]] = {"none": False, "minimal": "low", "xhigh": "high", "max": "high"}


def _write_thinking(wanted: Thinking | None) -> dict[str, Any]:
    """``max`` is too new a level to be sent to every server."""
    if wanted is None:
        return {}
    effort = effort_of(wanted) if wanted.budget is None or wanted.budget >= 0 else wanted.effort
    return {"think": True if effort is None else _LEVELS.get(effort, effort)}


def _write_options(chat: Chat) -> dict[str, Any]:
    said = {name: getattr(chat, field) for field, name in _OPTIONS.items()}
    said["stop"] = list(chat.stop) or None
    said |= {name: chat.others[name] for name in _RUNNING if name in chat.others}
    options = {name: value for name, value in said.items() if value is not None}
    return {"options": options} if options else {}


def _write_logprobs(wanted: int | None) -> dict[str, Any]:
    if wanted is None:
        return {}
    return {"logprobs": True, **({"top_logprobs": wanted} if wanted else {})}


# --- embeddings, and all of it ----------------------------------------------------------------------------------------


class _EmbedAnswer(Struct):
    embeddings: list[list[float]]
    prompt_eval_count: Raw = Raw()


class _ErrorBody(Struct):
    error: Any = None
    message: Any = None


_embed_answer = msgspec.json.Decoder(_EmbedAnswer)
_error_body = msgspec.json.Decoder(_ErrorBody)


class Ollama:
    """Both sides of the format. Base URLs end before ``/api``."""

    name = NAME
    stream_type = "application/x-ndjson"
    keep_alive = b""
    request_id_header = "x-request-id"
    passed_headers: frozenset[bytes] = frozenset()
    names: Mapping[str, str] = {
        "thinking": "think",
        "logprobs": "top_logprobs",
        **{field: f"options.{name}" for field, name in _OPTIONS.items()},
        **{name: f"options.{name}" for name in sorted(_RUNNING)},
    }
    version = ""
    key_header = ("authorization", "Bearer ")
    list_path = "/api/tags"
    skims = False
    takes_links = False
    headers: tuple[tuple[str, str], ...] = ()
    tasks = frozenset(_PATHS)

    # as clients speak it

    def operation(self, path: str) -> Operation | None:
        return _OPERATIONS.get(path)

    def owns(self, path: str, headers: Mapping[bytes, bytes], query: str) -> bool:  # noqa: ARG002
        return path.startswith("/api/")

    def error(self, error: GatewayError, request_id: str) -> bytes:  # noqa: ARG002
        return error_of(error)

    def error_event(self, error: GatewayError) -> bytes:
        return error_of(error) + b"\n"

    def models(self, cards: Sequence[ModelCard]) -> object:
        """As /api/tags has them."""
        return {"models": [self.model(card) for card in cards]}

    def model(self, card: ModelCard) -> object:
        """What is known of files is nothing; clients want all of it to be there."""
        details = {"parent_model": "", "format": "", "family": card.owner, "families": [card.owner]}
        return {
            "name": card.id,
            "model": card.id,
            "modified_at": stamp_of(card.created),
            "size": 0,
            "digest": "",
            "details": {**details, "parameter_size": "", "quantization_level": ""},
        }

    def read(self, operation: Operation, body: bytes) -> Chat:
        return _read(operation, body)

    def answer(self, answer: Answer, chat: Chat, call_id: str) -> bytes:  # noqa: ARG002
        return answer_of(answer, chat)

    def encoder(self, chat: Chat, call_id: str) -> OllamaEncoder:  # noqa: ARG002
        return OllamaEncoder(chat)

    def read_embed(self, operation: Operation, body: bytes) -> Embed:
        if operation.path == "/api/embeddings":
            asked = decoded(_embeddings_request, body)
            others = _others(body, _EmbeddingsRequest)
            return Embed(model=asked.model, inputs=(asked.prompt,), batched=False, others=others)
        request = decoded(_embed_request, body)
        return Embed(
            model=request.model,
            inputs=(request.input,) if isinstance(request.input, str) else tuple(request.input),
            dimensions=request.dimensions,
            others=_others(body, _EmbedRequest),
        )

    def answer_embed(self, embedded: Embedded, embed: Embed, call_id: str) -> bytes:  # noqa: ARG002
        if not embed.batched:
            return msgspec.json.encode({"embedding": embedded.vectors[0] if embedded.vectors else ()})
        counts = {"prompt_eval_count": embedded.usage.input} if embedded.usage else {}
        return msgspec.json.encode({"model": embed.model, "embeddings": embedded.vectors, **counts})

    # as upstreams speak it

    def path(self, operation: Operation, model: str, *, stream: bool) -> str | None:  # noqa: ARG002
        return operation.path if operation.dialect == NAME else _PATHS.get(operation.task)

    def instructed(self, operation: Operation, fields: Mapping[str, Raw], prompt: str) -> Mapping[str, bytes | None]:
        if operation.path == "/api/generate":
            return {"system": msgspec.json.encode(prompt)}
        return in_messages(fields, prompt)

    def write(self, chat: Chat, target: Target) -> Written:
        return _write(chat, target)

    def decode(self, body: bytes, target: Target) -> list[Event]:  # noqa: ARG002
        if not body.strip():
            raise MalformedAnswerError("the answer is empty")
        return list(OllamaDecoder().line(body))

    def decoder(self, target: Target) -> OllamaDecoder:  # noqa: ARG002
        return OllamaDecoder()

    def refusal(self, status: int, body: bytes) -> GatewayError:
        try:
            told = _error_body.decode(body)
        except UNREADABLE:
            told = _ErrorBody()
        text = next((text for text in (told.error, told.message) if isinstance(text, str) and text), "")
        return UpstreamRefused(text or f"The model's server refused this with status {status}.", status=status)

    def write_embed(self, embed: Embed, target: Target) -> Written:
        texts = [text for text in embed.inputs if isinstance(text, str)]
        if len(texts) < len(embed.inputs):
            raise BadRequest("The model's server takes no tokenized input. Send texts.", param="input")
        missing = {name for name in ("purpose", "title", "user") if getattr(embed, name) is not None}
        missing |= embed.others.keys() - {*_RUNNING, *_BESIDE}
        options = {name: embed.others[name] for name in _RUNNING if name in embed.others}
        body: dict[str, Any] = {
            "model": target.model,
            "input": texts,
            **({"dimensions": embed.dimensions} if embed.dimensions is not None else {}),
            **({"options": options} if options else {}),
            **{name: embed.others[name] for name in ("keep_alive", "truncate") if name in embed.others},
        }
        dropped = tuple(name for name in (*Embed.__struct_fields__, *embed.others) if name in missing)
        return Written(body=body, dropped=dropped)

    def decode_embed(self, body: bytes) -> Embedded:
        answered: _EmbedAnswer = told(_embed_answer, body)
        count = count_of(answered.prompt_eval_count)
        vectors = tuple(tuple(vector) for vector in answered.embeddings)
        return Embedded(vectors=vectors, usage=Usage(input=count) if count else None)


OLLAMA: Final = Ollama()
