"""Neutral requests as Gemini upstreams want them: conversations, embeddings, pictures.

See ``gemini`` for the format as a whole. Schemas of tools go as ``parameters``, in the selection of OpenAPI that every
model takes, not as ``parametersJsonSchema``, which the older ones and most imitations refuse as an unknown field; but
for objects of any content, which only that can tell.
"""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from ...errors import BadRequest
from ...unreadable import UNREADABLE
from ..chat import (
    Chat,
    Effort,
    File,
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
from ..reading import object_of
from ..sealed import Signature
from ..tasks import Embed, Paint
from ..thinking import budget_of, effort_of
from .reading import JSON, NAME, TIERS
from .schema import from_gemini, has_free_object, to_gemini

__all__ = ["is_imagen", "write_chat", "write_embed", "write_paint"]

NO_SIGNATURE: Final = base64.b64encode(b"skip_thought_signature_validator").decode()
"""What stands for the signature of a call that this model did not make
(https://ai.google.dev/gemini-api/docs/thought-signatures)."""

_FILES_API: Final = "https://generativelanguage.googleapis.com/v1beta/"
_OWN_URL: Final = re.compile(
    r"gs://|https://(?:[a-z0-9-]+-)?generativelanguage(?:\.sandbox)?\.googleapis\.com/"
    r"|https?://(?:(?:www\.|m\.)?youtube\.com|youtu\.be)/"
)
"""What the upstream fetches by itself."""

_TYPES: Final = {"image": "image/jpeg", "audio": "audio/wav", "video": "video/mp4", "document": "application/pdf"}
_SUFFIXES: Final = {
    "png": "image/png",
    "webp": "image/webp",
    "heic": "image/heic",
    "gif": "image/gif",
    "mp3": "audio/mp3",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "mov": "video/mov",
    "webm": "video/webm",
    "txt": "text/plain",
    "md": "text/md",
    "html": "text/html",
    "csv": "text/csv",
}

_HARMS: Final = ("HARASSMENT", "HATE_SPEECH", "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT")

_GENERATION: Final = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "max_output": "maxOutputTokens",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
}
_UNSAID: Final = ("logit_bias", "user", "metadata", "verbosity", "prompt_cache_key")
_OWN_GENERATION: Final = {
    "speech_config": "speechConfig",
    "media_resolution": "mediaResolution",
    "image_config": "imageConfig",
    "response_mime_type": "responseMimeType",
}
_OWN_FIELDS: Final = {"safety_settings": "safetySettings", "cached_content": "cachedContent", "labels": "labels"}
"""What only clients of this format can have said."""

_MOST_STOPS: Final = 5
_MODES: Final = {"auto": "AUTO", "required": "ANY", "none": "NONE"}

Json = dict[str, Any]

# ------------------------------------------------------------------------------------------------------------- models

_VERSION: Final = re.compile(r"gemini-(\d{1,2})(?:\.(\d{1,2}))?(?![0-9])")
_LATEST: Final = re.compile(r"gemini-(?:pro|flash|flash-lite)-latest")
_BUDGETS: Final = {"flash-lite": (512, 24_576, True), "flash": (1, 24_576, True), "pro": (128, 32_768, False)}
"""Least and most thinking of Gemini 2.5, and whether it can be switched off
(https://ai.google.dev/gemini-api/docs/thinking#set-budget)."""

_EFFORTS: Final[Mapping[Effort, int]] = {
    "none": 0,
    "minimal": 1_024,
    "low": 1_024,
    "medium": 8_192,
    "high": 24_576,
    "xhigh": 24_576,
    "max": 32_768,
}
"""Budgets of Gemini 2.5, as Google's own OpenAI dialect has them (https://ai.google.dev/gemini-api/docs/openai)."""

_LEVELS: Final[Mapping[Effort, str]] = {
    "none": "minimal",
    "minimal": "minimal",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
    "max": "high",
}


def _version(model: str) -> tuple[int, int] | None:
    """(2, 5) of gemini-2.5-pro; None of models that are not numbered like this."""
    found = _VERSION.search(model)
    if found:
        return int(found[1]), int(found[2] or 0)
    return (3, 9) if _LATEST.search(model) else None


def _thinking(thinking: Thinking, model: str) -> Json | None:
    """None where the model knows no such thing: Gemini thinks since 2.5."""
    version = _version(model)
    if version is None or version < (2, 5):
        return None
    config: Json = {}
    if version >= (3, 0):
        effort = effort_of(thinking) if thinking.budget != -1 or thinking.effort else None
        if effort is not None:
            config["thinkingLevel"] = _level(effort, model, version)
        off = effort == "none"
    else:
        told = _EFFORTS.get(thinking.effort) if thinking.effort and thinking.budget is None else budget_of(thinking)
        budget = -1 if told is None and thinking.budget == -1 else told
        if budget is not None:
            config["thinkingBudget"] = _budget(budget, model)
        off = budget == 0
    wanted = bool(config or thinking.summary) and not off if thinking.shown is None else thinking.shown
    return {**config, "includeThoughts": True} if wanted else config


def _level(effort: Effort, model: str, version: tuple[int, int]) -> str:
    """Gemini 3 cannot be stopped from thinking. Pro, and Flash since 3.7, have nothing below ``low``, the first Pro
    nothing between ``low`` and ``high`` either."""
    level = _LEVELS[effort]
    pro = "pro" in model
    if level == "minimal" and (pro or version >= (3, 7)):
        return "low"
    return "high" if level == "medium" and pro and version == (3, 0) else level


def _budget(budget: int, model: str) -> int:
    least, most, stops = next((row for name, row in _BUDGETS.items() if name in model), _BUDGETS["flash"])
    if budget == -1 or (budget == 0 and stops):
        return budget
    return min(max(budget, least), most)


# ----------------------------------------------------------------------------------------------------------- contents


class _Contents:
    """The conversation on its way out. Turns of one side in a row are one content."""

    def __init__(self, chat: Chat, target: Target) -> None:
        self._chat = chat
        self._target = target
        version = _version(target.model)
        self._third = version is not None and version >= (3, 0)
        self._ids = "no_call_ids" not in target.quirks
        self._names: dict[str, str] = {}
        self._left: list[Json] = []
        self.written: list[Json] = []
        self.system: list[Json] = []

    def write(self) -> None:
        for index, message in enumerate(self._chat.messages):
            at = f"messages[{index}]"
            if message.role == "system" and not self.written:
                self.system += [{"text": part.text} for part in message.parts if isinstance(part, Text) and part.text]
                continue
            if message.role != "tool":
                self._add("user", self._left)
                self._left = []
            role = "model" if message.role == "assistant" else "user"
            self._add(role, [one for part in message.parts for one in self._part(part, message, at)])
        self._add("user", self._left)
        if not self.written:
            raise BadRequest(
                "There is nothing to answer: the messages hold instructions alone, or no text. Add a user's message.",
                param="messages",
                code="invalid_value",
            )
        if self._third:
            self._sign()

    def _add(self, role: str, parts: list[Json]) -> None:
        if not parts:
            return
        if self.written and self.written[-1]["role"] == role:
            self.written[-1]["parts"] += parts
        else:
            self.written.append({"role": role, "parts": list(parts)})

    def _part(self, part: Part, message: Message, at: str) -> list[Json]:
        match part:
            case Text():
                text = f"<system>\n{part.text}\n</system>" if message.role == "system" and part.text else part.text
                return [{"text": text}] if text else []
            case Refusal():
                return [{"text": part.text}] if part.text else []
            case File():
                return [_file(part, at)]
            case Reasoning():
                signature = self._signature(part.signature)
                return [{"text": part.text, "thought": True, **signature}] if signature else []
            case ToolCall():
                return [self._call(part, at)]
            case ToolResult():
                return [self._result(part, at)]

    def _signature(self, signature: Signature | None) -> Json:
        """Signatures are worth something only to the model that made them."""
        if signature is None or signature.dialect != NAME or signature.model not in ("", self._target.model):
            return {}
        return {"thoughtSignature": signature.value}

    def _call(self, call: ToolCall, at: str) -> Json:
        self._names[call.id] = call.name
        if call.custom:
            arguments: Json = {"input": call.arguments}
        else:
            arguments = object_of(call.arguments, call.name, f"{at}.tool_calls")
        written: Json = {"id": call.id, "name": call.name, "args": arguments}
        if not self._ids:
            del written["id"]
        return {"functionCall": written, **self._signature(call.signature)}

    def _result(self, result: ToolResult, at: str) -> Json:
        """Files go into the response since Gemini 3; before, they follow the responses of the turn, of which there have
        to be as many as there were calls."""
        written: Json = {
            "id": result.call_id,
            "name": result.name or self._names.get(result.call_id, ""),
            "response": _response(result),
        }
        if not self._ids:
            del written["id"]
        files = [_file(part, at) for part in result.parts if isinstance(part, File)]
        if files and self._third:
            written["parts"] = files
        else:
            self._left += files
        return {"functionResponse": written}

    def _sign(self) -> None:
        """The first call of each step of the current turn has to be signed, which begins with what the user said
        last."""
        for content in reversed(self.written):
            if content["role"] == "user":
                if any("functionResponse" not in part for part in content["parts"]):
                    return
                continue
            first = next((part for part in content["parts"] if "functionCall" in part), None)
            if first is not None:
                first.setdefault("thoughtSignature", NO_SIGNATURE)


def _response(result: ToolResult) -> Json:
    """An object as it is, everything else under the name that is meant for it."""
    text = "\n".join(part.text for part in result.parts if isinstance(part, Text))
    if result.error:
        return {"error": text}
    with contextlib.suppress(*UNREADABLE):
        value = msgspec.json.decode(text) if text.lstrip().startswith("{") else None
        if isinstance(value, dict):
            return value
    return {"output": text}


def _file(file: File, at: str) -> Json:
    if file.text is not None:
        return {"text": file.text}
    if file.data is not None:
        return {"inlineData": {"mimeType": file.media_type or _TYPES[file.kind], "data": file.data}}
    url = file.url or file.file_id or ""
    if file.url is None and re.fullmatch(r"files/[a-z0-9-]+", url):
        return {"fileData": _named(_FILES_API + url, file)}
    if file.url is not None and _OWN_URL.match(url):
        return {"fileData": _named(url, file)}
    what = "id is of another provider" if file.url is None else "URL is one that the upstream does not fetch"
    raise BadRequest(
        f"{at}: the file's {what}. Send the file itself, as a data URL.", param=at, code="unsupported_value"
    )


def _named(uri: str, file: File) -> Json:
    """The type may be untold only of what the provider stores itself."""
    suffix = uri.rpartition(".")[2].lower()
    mime = file.media_type or _SUFFIXES.get(suffix) or ("" if not uri.startswith("gs://") else _TYPES[file.kind])
    return {"fileUri": uri, **({"mimeType": mime} if mime else {})}


# ------------------------------------------------------------------------------------------------------- the request


def write_chat(chat: Chat, target: Target) -> Written:
    """
    :raises BadRequest: something cannot be said in this format, and leaving it out would change what was asked
    """
    check_calls(chat)
    check_choice(chat)
    contents = _Contents(chat, target)
    contents.write()
    writing = _Writing(chat, target)
    body: Json = {"contents": contents.written}
    if contents.system:
        body["systemInstruction"] = {"parts": contents.system}
    body |= writing.tools()
    if generation := writing.generation():
        body["generationConfig"] = generation
    body |= writing.rest()
    return Written(body=body, dropped=writing.dropped())


class _Writing:
    """What surrounds the conversation, and what of it could not be said."""

    def __init__(self, chat: Chat, target: Target) -> None:
        self._chat = chat
        self._target = target
        self._version = _version(target.model)
        self._unsaid: set[str] = set()

    def dropped(self) -> tuple[str, ...]:
        """In the order of the neutral request."""
        chat = self._chat
        self._unsaid.update(name for name in _UNSAID if getattr(chat, name) not in (None, {}))
        known = {**_OWN_GENERATION, **_OWN_FIELDS, "modalities": ""}
        others = (name for name in chat.others if not name.startswith("_"))
        return tuple(
            name for name in (*Chat.__struct_fields__, *others) if name in self._unsaid or self._is_foreign(name, known)
        )

    def _is_foreign(self, name: str, known: Mapping[str, str]) -> bool:
        return name in self._chat.others and name not in known

    def tools(self) -> Json:
        chat = self._chat
        offered = chat.tools
        choice = chat.tool_choice
        if choice is not None and choice.mode == "auto" and choice.names:
            offered = tuple(tool for tool in offered if tool.name in choice.names)
        tools: list[Json] = []
        written: Json = {}
        if offered:
            declared = [_declaration(tool, f"tools[{index}]", self._version) for index, tool in enumerate(offered)]
            tools.append({"functionDeclarations": declared})
            if choice is not None:
                written["toolConfig"] = {"functionCallingConfig": _calling(choice.mode, choice.names)}
        elif choice is not None and choice.mode == "required":
            self._unsaid.add("tool_choice")
        if chat.web_search is not None:
            tools.append({"googleSearch": {}})
            if chat.web_search.allowed_domains or chat.web_search.blocked_domains:
                self._unsaid.add("web_search")  # the search is asked for, its bounds are not
        if chat.parallel_tool_calls is False:
            self._unsaid.add("parallel_tool_calls")
        return {"tools": tools, **written} if tools else {}

    def generation(self) -> Json:
        chat = self._chat
        values = {theirs: getattr(chat, ours) for ours, theirs in _GENERATION.items()}
        written: Json = {name: value for name, value in values.items() if value is not None}
        if chat.n > 1:
            written["candidateCount"] = chat.n
        stops = [stop for stop in chat.stop if stop]
        if stops:
            written["stopSequences"] = stops[:_MOST_STOPS]
        if len(stops) > _MOST_STOPS:
            self._unsaid.add("stop")
        if chat.seed is not None:
            # 32 bits: what is longer is cut, always to the same
            written["seed"] = chat.seed if -(1 << 31) <= chat.seed < 1 << 31 else chat.seed & 0x7FFFFFFF
        if chat.logprobs is not None:
            written |= {"responseLogprobs": True, **({"logprobs": chat.logprobs} if chat.logprobs else {})}
        written |= self._format()
        if chat.thinking is not None:
            config = _thinking(chat.thinking, self._target.model)
            if config is None:
                self._unsaid.add("thinking")
            elif config:
                written["thinkingConfig"] = config
        written |= self._modalities()
        return {**{name: chat.others[key] for key, name in _OWN_GENERATION.items() if key in chat.others}, **written}

    def _format(self) -> Json:
        wanted = self._chat.format
        if wanted is None:
            return {}
        version = self._version
        if self._chat.tools and version is not None and version < (3, 0):
            self._unsaid.add(
                "format"
            )  # "Function calling with a response mime type: 'application/json' is unsupported"
            return {}
        if wanted.schema is None:
            return {"responseMimeType": JSON}
        if version is not None and version < (2, 5):
            return {"responseMimeType": JSON, "responseSchema": to_gemini(wanted.schema, "response_format")}
        schema = {key: value for key, value in wanted.schema.items() if key != "$schema"}
        return {"responseMimeType": JSON, "responseJsonSchema": schema}

    def _modalities(self) -> Json:
        wanted = self._chat.others.get("modalities")
        if not isinstance(wanted, list) or wanted == ["text"]:
            return {}
        if "audio" in wanted and "text" in wanted:
            self._unsaid.add("modalities")  # speech comes from models that do nothing else
            return {}
        return {"responseModalities": [str(modality).upper() for modality in wanted]}

    def rest(self) -> Json:
        chat = self._chat
        written: Json = {name: chat.others[key] for key, name in _OWN_FIELDS.items() if key in chat.others}
        if (threshold := self._target.options.get("safety")) and "safetySettings" not in written:
            written["safetySettings"] = [
                {"category": f"HARM_CATEGORY_{harm}", "threshold": threshold.upper()} for harm in _HARMS
            ]
        tier = chat.service_tier
        if tier in TIERS and tier != "default":
            written["serviceTier"] = TIERS[tier]
        elif tier not in (None, "auto", "default"):
            self._unsaid.add("service_tier")
        return written


def _calling(mode: str, names: tuple[str, ...]) -> Json:
    config: Json = {"mode": _MODES[mode]}
    if mode == "required" and names:
        config["allowedFunctionNames"] = list(names)
    return config


def _declaration(tool: Tool, at: str, version: tuple[int, int] | None) -> Json:
    written: Json = {"name": tool.name}
    if tool.description:
        written["description"] = tool.description
    parameters = _FREE_TEXT if tool.custom else to_gemini(tool.parameters or {}, f"{at}.parameters", arguments=True)
    if parameters is None:
        return written
    if has_free_object(parameters) and version is not None and version >= (2, 5):
        return {**written, "parametersJsonSchema": from_gemini(parameters)}
    return {**written, "parameters": parameters}


_FREE_TEXT: Final = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}

# --------------------------------------------------------------------------------------------- embeddings and pictures

_PURPOSES: Final = {
    "search_query": "RETRIEVAL_QUERY",
    "query": "RETRIEVAL_QUERY",
    "search_document": "RETRIEVAL_DOCUMENT",
    "document": "RETRIEVAL_DOCUMENT",
    "classification": "CLASSIFICATION",
    "clustering": "CLUSTERING",
}
_RATIOS: Final = ("1:1", "2:3", "3:2", "3:4", "4:3", "9:16", "16:9", "21:9")
_RATIOS_OF_IMAGEN: Final = ("1:1", "3:4", "4:3", "9:16", "16:9")


def write_embed(embed: Embed, target: Target) -> Written:
    """A batch, always.

    :raises BadRequest: an input is tokens
    """
    name = target.model if "/" in target.model else f"models/{target.model}"
    wanted = {
        "taskType": _PURPOSES.get((embed.purpose or "").lower(), (embed.purpose or "").upper()),
        "title": embed.title,
        "outputDimensionality": embed.dimensions,
    }
    said = {key: value for key, value in wanted.items() if value}
    requests = []
    for index, text in enumerate(embed.inputs):
        if not isinstance(text, str):
            at = f"input[{index}]"
            raise BadRequest(f"{at} is tokens. Send it as text.", param=at, code="unsupported_value")
        requests.append({"model": name, "content": {"parts": [{"text": text}]}, **said})
    dropped = ["user"] if embed.user else []
    return Written(body={"requests": requests}, dropped=(*dropped, *_public(embed.others)))


def is_imagen(model: str) -> bool:
    """Imagen's models are asked in a way of their own."""
    return model.removeprefix("models/").startswith("imagen-")


def write_paint(paint: Paint, target: Target) -> Written:
    imagen = is_imagen(target.model)
    ratio = _ratio(paint.size, _RATIOS_OF_IMAGEN if imagen else _RATIOS)
    unsaid = {"quality": paint.quality, "background": paint.background, "user": paint.user}
    if ratio is None and paint.size != "auto":
        unsaid["size"] = paint.size
    if imagen:
        parameters: Json = {"sampleCount": paint.n, **({"aspectRatio": ratio} if ratio else {})}
        body: Json = {"instances": [{"prompt": paint.prompt}], "parameters": parameters}
    else:
        config: Json = {
            "responseModalities": ["TEXT", "IMAGE"],
            **({"imageConfig": {"aspectRatio": ratio}} if ratio else {}),
        }
        body = {"contents": [{"role": "user", "parts": [{"text": paint.prompt}]}], "generationConfig": config}
        if paint.n > 1:
            unsaid["n"] = str(paint.n)
    unsaid["output_format"] = paint.output_format
    dropped = [name for name in Paint.__struct_fields__ if unsaid.get(name)]
    return Written(body=body, dropped=(*dropped, *_public(paint.others)))


def _ratio(size: str | None, known: Iterable[str]) -> str | None:
    """The nearest of those that there are."""
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", size or "")
    if found is None or "0" in (found[1], found[2]):
        return None
    wanted = int(found[1]) / int(found[2])

    def distance(ratio: str) -> float:
        width, _, height = ratio.partition(":")
        told = int(width) / int(height)
        return max(told / wanted, wanted / told)

    return min(known, key=distance)


def _public(others: Mapping[str, Any]) -> Iterable[str]:
    return (name for name in others if not name.startswith("_"))
