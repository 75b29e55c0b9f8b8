"""Replicate, whose models run as predictions (https://replicate.com/docs/reference/http).

What a model takes is up to the model. Sent are the inputs that most language models, or most of those that paint, have;
whatever else one wants can be said in a field ``input``. Asked with ``Prefer: wait`` it answers with the whole
prediction within a minute, or with one that is still running: nobody waits longer here.

A model is OWNER/NAME, OWNER/NAME:VERSION, or deployments/OWNER/NAME.
"""

from __future__ import annotations

import re
from math import gcd
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from ..errors import BadRequest, GatewayError
from ..models import Usage
from .chat import Chat, File, Target, Written, check_calls
from .dialect import MalformedAnswerError
from .events import Ended, Event, FileMade, Finished, Started, TextDelta
from .operations import Operation
from .plain import WholeDecoder, broken, files_of, left_out, refused, said, transcript, understood
from .tasks import Paint, Painted
from .usage import counts_of

__all__ = ["REPLICATE", "Replicate"]

_WAIT: Final = (("prefer", "wait"),)
_MODEL = re.compile(r"(?:deployments/)?\w[\w.-]*/\w[\w.-]*(?::\w+)?", re.ASCII)

# --- request: text ----------------------------------------------------------------------------------------------------
#
# {version?, input: {prompt, system_prompt, max_tokens, temperature, …, stop_sequences: "a,b", image}}

_INPUTS: Final = {
    "max_output": "max_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "seed": "seed",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
}
_OWN: Final = "input"


def _prompt(chat: Chat) -> dict[str, str]:
    system = "\n\n".join(said(message.parts) for message in chat.messages if message.role == "system")
    rest = [message for message in chat.messages if message.role != "system"]
    text = transcript(rest)
    if sum(bool(said(message.parts)) for message in rest) > 1:
        text += "\n\nAssistant:"
    return {"prompt": text, "system_prompt": system} if system else {"prompt": text}


def _image(chat: Chat) -> dict[str, str]:
    """
    :raises BadRequest: there are several, or one that is no image: few models take those, each by another name
    """
    files = files_of(chat.messages)
    if not files:
        return {}
    index, file = files[-1]
    link = _link(file)
    if len(files) > 1 or file.kind != "image" or link is None:
        raise BadRequest(
            "This model takes one image, by its URL or inline. Send no more than that.",
            param=f"messages[{index}]",
            code="invalid_value",
        )
    return {"image": link}


def _link(file: File) -> str | None:
    return file.url or (f"data:{file.media_type or 'image/png'};base64,{file.data}" if file.data is not None else None)


def _own(others: dict[str, Any]) -> dict[str, Any]:
    own = others.get(_OWN)
    return own if isinstance(own, dict) else {}


def _versioned(model: str, given: dict[str, Any]) -> dict[str, Any]:
    version = model.partition(":")[2]
    return {"version": version, "input": given} if version else {"input": given}


# --- request: pictures ------------------------------------------------------------------------------------------------
#
# {version?, input: {prompt, aspect_ratio, num_outputs, output_format}}

_RATIOS: Final = ("1:1", "16:9", "9:16", "3:2", "2:3", "4:3", "3:4", "5:4", "4:5", "21:9", "9:21")
_FORMATS: Final = {"jpeg": "jpg", "jpg": "jpg", "png": "png", "webp": "webp"}


def _ratio(size: str | None) -> str | None:
    """Width to height in small numbers, if models know these; their number of pixels is up to the model."""
    width, _, height = (size or "").partition("x")
    if not (width.isascii() and width.isdigit() and height.isascii() and height.isdigit()):
        return None
    if not (0 < len(width) < 6 and 0 < len(height) < 6) or int(width) * int(height) == 0:
        return None
    part = gcd(int(width), int(height))
    ratio = f"{int(width) // part}:{int(height) // part}"
    return ratio if ratio in _RATIOS else None


# --- answer -----------------------------------------------------------------------------------------------------------
#
# {id, status: starting | processing | succeeded | failed | canceled | aborted, output, error,
#  metrics: {predict_time, input_token_count, output_token_count}}


class _Prediction(Struct):
    id: str | None = None
    status: str | None = None
    output: Any = None
    error: Any = None
    metrics: Raw = Raw()


_prediction = msgspec.json.Decoder(_Prediction)


def _outputs(output: Any) -> list[str]:
    """A text, a list of pieces or of links, or an object with one of these in it."""
    if isinstance(output, str):
        return [output]
    if isinstance(output, list):
        return [piece for piece in output if isinstance(piece, str)]
    if isinstance(output, dict):
        inner = next((output[key] for key in ("text", "output", "images", "image", "url") if key in output), None)
        return _outputs(inner) if not isinstance(inner, dict) else []
    return []


def _picture(link: str) -> File:
    head, comma, data = link.partition(";base64,")
    if comma and head.startswith("data:"):
        return File(kind="image", media_type=head.removeprefix("data:"), data=data)
    return File(kind="image", url=link)


def _usage(metrics: Raw) -> Usage | None:
    counts = counts_of(metrics)
    before, after = counts.get("input_token_count", 0), counts.get("output_token_count", 0)
    return Usage(input=before, output=after) if before is not None and after is not None and before + after else None


def _links(pieces: list[str]) -> bool:
    return bool(pieces) and all(piece.startswith(("https://replicate.delivery/", "data:image/")) for piece in pieces)


def _failure(prediction: _Prediction) -> tuple[int, str]:
    if prediction.status in ("failed", "canceled", "aborted"):
        text = prediction.error if isinstance(prediction.error, str) else f"The prediction was {prediction.status}."
        return 502, text
    return 504, "The model was not done within a minute. Try again: it may have been starting."


# --- the format -------------------------------------------------------------------------------------------------------


class Replicate:
    name = "replicate"
    skims = False
    takes_links = True
    version = "v1"
    key_header = ("authorization", "Bearer ")
    headers: tuple[tuple[str, str], ...] = ()
    tasks = frozenset({"chat", "images"})

    def path(self, operation: Operation, model: str, *, stream: bool) -> str | None:  # noqa: ARG002
        if operation.task not in self.tasks or not _MODEL.fullmatch(model):
            return None
        if ":" in model:
            return "/predictions"
        return f"/{model}/predictions" if model.startswith("deployments/") else f"/models/{model}/predictions"

    def write(self, chat: Chat, target: Target) -> Written:
        check_calls(chat)
        given: dict[str, Any] = {
            **_prompt(chat),
            **_image(chat),
            **{name: value for field, name in _INPUTS.items() if (value := getattr(chat, field)) is not None},
        }
        told = set(_INPUTS)
        if chat.stop and not any("," in stop for stop in chat.stop):
            given["stop_sequences"] = ",".join(chat.stop)
            told.add("stop")
        own = _own(chat.others)
        body = _versioned(target.model, {**given, **own})
        return Written(body=body, dropped=left_out(chat, told, (_OWN,) if own else ()), headers=_WAIT)

    def decode(self, body: bytes, target: Target) -> list[Event]:
        prediction = understood(_prediction, body)
        if prediction.status is None:
            raise MalformedAnswerError("the answer is no prediction")
        if prediction.status != "succeeded":
            return [broken(*_failure(prediction))]
        pieces = _outputs(prediction.output)
        events: list[Event] = [Started(id=prediction.id or "", model=target.model)]
        if _links(pieces):
            events += [FileMade(_picture(link)) for link in pieces]
        elif text := "".join(pieces):
            events.append(TextDelta(text))
        events.append(Finished(reason="stop"))
        usage = _usage(prediction.metrics)
        return [*events, usage, Ended()] if usage is not None else [*events, Ended()]

    def decoder(self, target: Target) -> WholeDecoder:
        return WholeDecoder(lambda body: self.decode(body, target))

    def refusal(self, status: int, body: bytes) -> GatewayError:
        return refused(status, body)

    def write_paint(self, paint: Paint, target: Target) -> Written:
        ratio, form = _ratio(paint.size), _FORMATS.get(paint.output_format or "")
        own = _own(paint.others)
        given: dict[str, Any] = {"prompt": paint.prompt}
        if ratio is not None:
            given["aspect_ratio"] = ratio
        if form is not None:
            given["output_format"] = form
        if paint.n > 1:
            given["num_outputs"] = paint.n
        asked = {
            "size": paint.size not in (None, "auto") and ratio is None,
            "quality": paint.quality not in (None, "auto"),
            "background": paint.background not in (None, "auto"),
            "output_format": paint.output_format is not None and form is None,
            "response_format": paint.response_format == "b64_json",  # what comes are links, mostly
            "user": paint.user is not None,
            **{name: name != _OWN or not own for name in paint.others},
        }
        dropped = tuple(name for name, is_left_out in asked.items() if is_left_out)
        return Written(body=_versioned(target.model, {**given, **own}), dropped=dropped, headers=_WAIT)

    def decode_paint(self, body: bytes) -> Painted:
        prediction = understood(_prediction, body)
        if prediction.status != "succeeded":
            raise MalformedAnswerError(_failure(prediction)[1])
        pictures = tuple(_picture(link) for link in _outputs(prediction.output))
        if not pictures:
            raise MalformedAnswerError("the prediction holds no picture")
        return Painted(pictures=pictures, usage=_usage(prediction.metrics))


REPLICATE: Final = Replicate()
