"""DeepL, which translates (https://developers.deepl.com/api-reference/translate).

A model is ``deepl-LANGUAGE``: deepl-de, deepl-pt-br. What is translated is the last message of the user; whatever was
said before it is left out, and so is nearly everything else. DeepL counts characters: they are told as the input.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from ..errors import BadRequest, GatewayError, UpstreamRefused
from ..models import Usage
from .chat import Chat, Target, Written, check_calls
from .events import Ended, Event, Finished, Started, TextDelta
from .operations import Operation
from .plain import WholeDecoder, broken, files_of, left_out, refused, said, understood
from .usage import count_of

__all__ = ["DEEPL", "DeepL"]

# --- request ----------------------------------------------------------------------------------------------------------
#
# {text: [...], target_lang, show_billed_characters, source_lang, formality, context, glossary_id, model_type, …}

_OTHERS: Final = (
    "source_lang",
    "context",
    "formality",
    "glossary_id",
    "model_type",
    "preserve_formatting",
    "split_sentences",
    "tag_handling",
    "style_id",
    "custom_instructions",
)
_LANGUAGE = re.compile(r"(?:deepl-)?(?P<language>[a-z]{2,3}(?:-[a-z0-9]{2,4})?)", re.IGNORECASE)


def _language(model: str) -> str:
    match = _LANGUAGE.fullmatch(model)
    if match is None:
        raise BadRequest(
            f"{model[:80]!r} names no language. Models that translate are called deepl-LANGUAGE, such as deepl-de.",
            param="model",
            code="invalid_value",
        )
    return match["language"].upper()


def _text(chat: Chat) -> str:
    index, last = next(
        ((index, message) for index, message in reversed(list(enumerate(chat.messages))) if message.role == "user"),
        (0, None),
    )
    text = said(last.parts) if last is not None else ""
    if last is None or not text or files_of([last]):
        raise BadRequest(
            "Only a text can be translated. Send one message of role user with a text, and no files.",
            param=f"messages[{index}]",
            code="invalid_value",
        )
    return text


# --- answer -----------------------------------------------------------------------------------------------------------
#
# {translations: [{detected_source_language, text, billed_characters}]}


class _Translation(Struct):
    text: str | None = None
    billed_characters: Raw = Raw()


class _Answer(Struct):
    translations: list[_Translation]


_answer = msgspec.json.Decoder(_Answer)


# --- the format -------------------------------------------------------------------------------------------------------


class DeepL:
    name = "deepl"
    skims = False
    takes_links = True
    version = "v2"
    key_header = ("authorization", "DeepL-Auth-Key ")
    headers: tuple[tuple[str, str], ...] = ()
    tasks = frozenset({"chat"})

    def path(self, operation: Operation, model: str, *, stream: bool) -> str | None:  # noqa: ARG002
        return "/translate" if operation.task == "chat" else None

    def write(self, chat: Chat, target: Target) -> Written:
        check_calls(chat)
        body: dict[str, Any] = {
            "text": [_text(chat)],
            "target_lang": _language(target.model),
            "show_billed_characters": True,
            **{name: chat.others[name] for name in _OTHERS if name in chat.others},
        }
        before = ("messages",) if len(chat.messages) > 1 else ()
        return Written(body=body, dropped=(*before, *left_out(chat, (), _OTHERS)))

    def decode(self, body: bytes, target: Target) -> list[Event]:
        translations = understood(_answer, body).translations
        if not translations:
            return [broken(502, "Nothing was translated.")]
        events: list[Event] = [Started(model=target.model)]
        text = "\n".join(translation.text or "" for translation in translations)
        if text:
            events.append(TextDelta(text))
        events.append(Finished(reason="stop"))
        characters = count_of(sum(count_of(translation.billed_characters) or 0 for translation in translations))
        return [*events, Usage(input=characters), Ended()] if characters else [*events, Ended()]

    def decoder(self, target: Target) -> WholeDecoder:
        return WholeDecoder(lambda body: self.decode(body, target))

    def refusal(self, status: int, body: bytes) -> GatewayError:
        error = refused(status, body)
        # 456: the quota of the month is used up; a number of DeepL's own.
        return UpstreamRefused(error.message, status=402, code="quota_exceeded") if status == 456 else error


DEEPL: Final = DeepL()
