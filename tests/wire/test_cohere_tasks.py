"""Embeddings and reranking in Cohere's format, on both sides."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from typing import Any

import cohere
import httpx
import msgspec
import pytest

from oneapi_asgi.errors import BadRequest
from oneapi_asgi.models import Usage
from oneapi_asgi.wire.chat import Target
from oneapi_asgi.wire.cohere.format import COHERE
from oneapi_asgi.wire.dialect import MalformedAnswerError
from oneapi_asgi.wire.operations import Operation
from oneapi_asgi.wire.tasks import Embed, Embedded, Ranked, Rerank, Score

CALL_ID = "0123456789abcdef" * 2
TARGET = Target(model="upstream", stream=False)


def operation(path: str) -> Operation:
    found = COHERE.operation(path)
    assert found is not None
    return found


def client(answer: Callable[[Operation, bytes], bytes]) -> cohere.AsyncClientV2:
    async def serve(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=answer(operation(request.url.path), await request.aread()))

    transport = httpx.AsyncClient(transport=httpx.MockTransport(serve))
    return cohere.AsyncClientV2(api_key="k", base_url="http://gateway", httpx_client=transport, max_retries=0)


@pytest.mark.parametrize("number", [1e39, -1e308, 1e-300])
def test_numbers_that_no_float32_holds_are_told_all_the_same(number: float) -> None:
    embed = Embed(model="m", inputs=("a",), base64=True)
    told = msgspec.json.decode(COHERE.answer_embed(Embedded(vectors=((number, 0.5),)), embed, CALL_ID))
    assert told["embeddings"]["float"] == [[number, 0.5]]
    assert struct.unpack("<2f", base64.b64decode(told["embeddings"]["base64"][0]))[1] == 0.5


async def test_embeddings_for_the_sdk() -> None:
    def answer(asked: Operation, body: bytes) -> bytes:
        embed = COHERE.read_embed(asked, body)
        assert embed == Embed(
            model="m",
            inputs=("a", "b\nc"),
            dimensions=2,
            base64=True,
            purpose="search_query",
            others={"truncate": "END"},
        )
        embedded = Embedded(vectors=((0.5, 1.0), (2.0, -1.0)), usage=Usage(input=3))
        return COHERE.answer_embed(embedded, embed, CALL_ID)

    inputs: Any = [{"content": [{"type": "text", "text": "b"}, {"type": "text", "text": "c"}]}]
    answered = await client(answer).embed(
        model="m",
        input_type="search_query",
        texts=["a"],
        inputs=inputs,
        output_dimension=2,
        embedding_types=["float", "base64"],
        truncate="END",
    )
    assert answered.embeddings.float_ == [[0.5, 1.0], [2.0, -1.0]]
    packed = [struct.unpack("<2f", base64.b64decode(one)) for one in answered.embeddings.base64 or ()]
    assert packed == [(0.5, 1.0), (2.0, -1.0)]
    assert answered.meta is not None
    assert answered.meta.billed_units is not None
    assert answered.meta.billed_units.input_tokens == 3


async def test_reranking_for_the_sdk() -> None:
    def answer(asked: Operation, body: bytes) -> bytes:
        rerank = COHERE.read_rerank(asked, body)
        assert rerank == Rerank(
            model="m", query="q", documents=("a", "b", "c"), top_n=2, others={"max_tokens_per_doc": 9}
        )
        ranked = Ranked(scores=(Score(2, 0.9), Score(0, 0.5), Score(1, 0.1)), units=3)
        return COHERE.answer_rerank(ranked, rerank, CALL_ID)

    answered = await client(answer).rerank(
        model="m", query="q", documents=["a", "b", "c"], top_n=2, max_tokens_per_doc=9
    )
    assert [(result.index, result.relevance_score) for result in answered.results] == [(2, 0.9), (0, 0.5)]
    assert answered.meta is not None
    assert answered.meta.billed_units is not None
    assert answered.meta.billed_units.search_units == 3


def test_documents_come_back_on_request() -> None:
    body = {"model": "m", "query": "q", "documents": [{"text": "a"}, "b"], "return_documents": True}
    rerank = COHERE.read_rerank(operation("/v2/rerank"), msgspec.json.encode(body))
    answered = msgspec.json.decode(COHERE.answer_rerank(Ranked(scores=(Score(1, 0.5),)), rerank, CALL_ID))
    assert answered["results"] == [{"index": 1, "relevance_score": 0.5, "document": {"text": "b"}}]
    assert answered["meta"]["billed_units"] == {"search_units": 1}


def test_embeddings_as_numbers_alone() -> None:
    embed = Embed(model="m", inputs=("a",))
    answered = msgspec.json.decode(COHERE.answer_embed(Embedded(vectors=((0.5,),)), embed, CALL_ID))
    assert answered["embeddings"] == {"float": [[0.5]]}
    assert answered["meta"] == {"api_version": {"version": "2"}}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "texts"),
        ({"texts": []}, "texts"),
        ({"images": ["data:image/png;base64,aaaa"]}, "images"),
        ({"inputs": [{"content": [{"type": "image_url", "image_url": {"url": "u"}}]}]}, "inputs"),
        ({"texts": ["a"], "embedding_types": ["int8"]}, "embedding_types[]"),
        ({"texts": "a"}, "texts"),
    ],
)
def test_embeddings_that_cannot_be_asked_for(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        COHERE.read_embed(operation("/v2/embed"), msgspec.json.encode({"model": "m", **fields}))
    assert (caught.value.param or "").replace("[0]", "[]") == param


@pytest.mark.parametrize(
    ("fields", "expected", "dropped"),
    [
        ({}, {"input_type": "search_document"}, ()),
        ({"purpose": "RETRIEVAL_QUERY"}, {"input_type": "search_query"}, ()),
        ({"purpose": "clustering"}, {"input_type": "clustering"}, ()),
        ({"purpose": "SEMANTIC_SIMILARITY"}, {"input_type": "search_document"}, ("purpose",)),
        ({"dimensions": 256}, {"input_type": "search_document", "output_dimension": 256}, ()),
        (
            {"user": "u", "title": "t", "others": {"truncate": "END", "x": 1}},
            {"input_type": "search_document", "truncate": "END"},
            ("title", "user", "x"),
        ),
    ],
)
def test_embeddings_are_asked_for(fields: dict[str, Any], expected: dict[str, Any], dropped: tuple[str, ...]) -> None:
    request = COHERE.write_embed(Embed(model="m", inputs=("a", "b"), **fields), TARGET)
    assert request.body == {"model": "upstream", "texts": ["a", "b"], "embedding_types": ["float"], **expected}
    assert request.dropped == dropped


def test_tokens_are_no_texts() -> None:
    with pytest.raises(BadRequest, match="tokenized"):
        COHERE.write_embed(Embed(model="m", inputs=("a", (1, 2))), TARGET)


@pytest.mark.parametrize(
    ("body", "embedded"),
    [
        (
            {"embeddings": {"float": [[1, 2.5]]}, "meta": {"billed_units": {"input_tokens": 4}}},
            Embedded(vectors=((1.0, 2.5),), usage=Usage(input=4)),
        ),
        ({"embeddings": [[0.5]], "meta": {"tokens": None}}, Embedded(vectors=((0.5,),))),
        ({"embeddings": {"float": []}}, Embedded(vectors=())),
    ],
)
def test_embeddings_are_read(body: object, embedded: Embedded) -> None:
    assert COHERE.decode_embed(msgspec.json.encode(body)) == embedded


@pytest.mark.parametrize("body", [b"", b"{}", b'{"embeddings": {"int8": [[1]]}}', b'{"embeddings": {"float": ["a"]}}'])
def test_nonsense_for_embeddings(body: bytes) -> None:
    with pytest.raises(MalformedAnswerError):
        COHERE.decode_embed(body)


def test_an_order_is_asked_for() -> None:
    rerank = Rerank(
        model="m", query="q", documents=("a",), top_n=1, return_documents=True, others={"priority": 1, "x": 2}
    )
    request = COHERE.write_rerank(rerank, TARGET)
    assert request.body == {"model": "upstream", "query": "q", "documents": ["a"], "top_n": 1, "priority": 1}
    assert request.dropped == ("x",)
    assert COHERE.write_rerank(Rerank(model="m", query="q", documents=()), TARGET).body["documents"] == []


def test_an_order_is_read() -> None:
    body = {
        "id": "1",
        "results": [{"index": 1, "relevance_score": 0.1}, {"index": 0, "relevance_score": 1}],
        "meta": {"billed_units": {"search_units": 2}, "tokens": {"input_tokens": 5, "output_tokens": 0}},
    }
    ranked = Ranked(scores=(Score(0, 1.0), Score(1, 0.1)), usage=Usage(input=5), units=2)
    assert COHERE.decode_rerank(msgspec.json.encode(body)) == ranked
    assert COHERE.decode_rerank(b'{"results": []}') == Ranked(scores=())


@pytest.mark.parametrize("body", [b"", b"{}", b'{"results": [{"index": "a"}]}'])
def test_nonsense_for_an_order(body: bytes) -> None:
    with pytest.raises(MalformedAnswerError):
        COHERE.decode_rerank(body)
