"""Which format answers on which path, when no script says otherwise."""

from __future__ import annotations

import re

from .anthropic import ANTHROPIC, HOSTED_ANTHROPIC
from .bedrock import BEDROCK
from .cohere import COHERE
from .formats import Format, Rules, answered, header
from .gemini import GEMINI
from .http import Request, query
from .ollama import OLLAMA
from .openai import AZURE, OPENAI, RESPONSES
from .script import Answer

__all__ = ["answer_to"]

PATHS = (
    (re.compile(r".*/publishers/anthropic/models/[^/]+:(rawPredict|streamRawPredict)"), HOSTED_ANTHROPIC),
    (re.compile(r"/v1(alpha|beta|beta1)?/(.*/)?(models|tunedModels)/[^/]+:\w+"), GEMINI),
    (re.compile(r"/v1(alpha|beta|beta1)/(publishers/google/)?models(/[^/]+)?"), GEMINI),
    (re.compile(r"/model/.+/converse(-stream)?|/foundation-models"), BEDROCK),
    (re.compile(r"(/.*)?/v2/(chat|embed|rerank)"), COHERE),
    (re.compile(r"(/.*)?/api/(chat|embed|tags|version|show)"), OLLAMA),
    (re.compile(r"(/.*)?/v1/messages(/count_tokens)?"), ANTHROPIC),
    (re.compile(r"/openai/deployments/[^/]+/.+|/openai/models"), AZURE),
    (re.compile(r".*/responses"), RESPONSES),
)
MODELS = re.compile(r"(/.*)?/models(/[^/]+)?")


def answer_to(request: Request, serial: int, rules: Rules) -> Answer:
    return answered(_format_of(request), request, serial, rules)


def _format_of(request: Request) -> Format:
    path = request.path.partition("?")[0]
    found = next((form for pattern, form in PATHS if pattern.fullmatch(path)), None)
    return found or (_lister(request) if request.method == "GET" and MODELS.fullmatch(path) else OPENAI)


def _lister(request: Request) -> Format:
    """Several formats list their models on one path; their clients differ in what they send along."""
    if header(request, "anthropic-version"):
        return ANTHROPIC
    if header(request, "x-goog-api-key") or "key" in query(request):
        return GEMINI
    return COHERE if header(request, "x-fern-language") else OPENAI
