"""Signatures of AWS: its published test suite, its own SDK at the same moment, and an independent computation."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from oneapi_asgi.providers.access import Place, Unsigned
from oneapi_asgi.providers.aws import AwsAccess
from oneapi_asgi.wire.bedrock.format import BEDROCK
from oneapi_asgi.wire.operations import Operation

ID, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
KEY = f"{ID}|{SECRET}"
SUITE = {"region": "us-east-1", "service": "service"}
SUITE_NOW = datetime(2015, 8, 30, 12, 36, tzinfo=UTC).timestamp()
STS = (
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUu"
    "wthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHN"
    "VXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
)


def of(headers: tuple[tuple[str, str], ...], name: str) -> str:
    return dict(headers)[name]


@pytest.mark.parametrize(
    ("request_", "key", "signature"),
    [
        pytest.param(
            Unsigned("GET", "https://example.amazonaws.com/", (), b"", SUITE),
            KEY,
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            id="get-vanilla",
        ),
        pytest.param(
            Unsigned("POST", "https://example.amazonaws.com/", (), b"", SUITE),
            KEY,
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            id="post-vanilla",
        ),
        pytest.param(
            Unsigned("GET", "https://example.amazonaws.com/?Param2=value2&Param1=value1", (), b"", SUITE),
            KEY,
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            id="get-vanilla-query-order-key-case",
        ),
        pytest.param(
            Unsigned(
                "POST",
                "https://example.amazonaws.com/",
                (("Content-Type", "application/x-www-form-urlencoded"),),
                b"Param1=value1",
                SUITE,
            ),
            KEY,
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            id="post-x-www-form-urlencoded",
        ),
        pytest.param(
            Unsigned("POST", "https://example.amazonaws.com/", (), b"", SUITE),
            f"{KEY}|{STS}",
            "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
            id="post-sts-header-before",
        ),
    ],
)
def test_the_suite_of_aws(request_: Unsigned, key: str, signature: str) -> None:
    headers = AwsAccess().headers(key, "", request_, SUITE_NOW)
    assert of(headers, "authorization").rpartition("Signature=")[2] == signature
    assert of(headers, "x-amz-date") == "20150830T123600Z"
    assert SECRET not in repr(headers)


class Caught(Exception):
    pass


def sent_by_the_sdk(model: str, token: str | None, **kwargs: Any) -> Any:
    """The request that AWS's own SDK would send."""
    from botocore.session import Session  # type: ignore[import-untyped]

    session: Any = Session()
    session.set_credentials(ID, SECRET, token)
    client = session.create_client("bedrock-runtime", region_name="eu-west-1")
    caught: list[Any] = []

    def catch(request: Any, **_: Any) -> None:
        caught.append(request)
        raise Caught

    client.meta.events.register("before-send.bedrock-runtime.*", catch)
    with pytest.raises(Caught):
        client.converse_stream(modelId=model, **kwargs)
    return caught[0]


@pytest.mark.parametrize(
    "model",
    [
        "amazon.nova-lite-v1:0",
        "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/abc123",
    ],
)
@pytest.mark.parametrize("token", [None, STS])
def test_url_and_signature_are_those_of_the_sdk(model: str, token: str | None) -> None:
    sent = sent_by_the_sdk(model, token, messages=[{"role": "user", "content": [{"text": "Hé"}]}])
    path = BEDROCK.path(Operation(name="chat", task="chat"), model, stream=True)
    assert path is not None
    options = {"region": "eu-west-1"}
    url = AwsAccess().url(
        Place(
            base_url="https://bedrock-runtime.{region}.amazonaws.com",
            dialect="bedrock",
            version=BEDROCK.version,
            path=path,
            model=model,
            stream=True,
            options=options,
        )
    )
    assert url == sent.url
    moment = datetime.strptime(sent.headers["X-Amz-Date"].decode(), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    own = (("content-type", "application/json"), ("user-agent", "x"), ("accept-encoding", "gzip"))
    unsigned = Unsigned("POST", url, own, sent.body)
    key = "|".join(part for part in (ID, SECRET, token) if part)
    headers = AwsAccess().headers(key, "", unsigned, moment.timestamp() + 0.5)
    assert of(headers, "authorization") == sent.headers["Authorization"].decode()
    assert (dict(headers).get("x-amz-security-token")) == token


def test_a_signature_computed_by_hand() -> None:
    """RFC-like recipe of https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html,
    for the other service and a host of its own."""
    body = msgspec.json.encode({"model": "m"})
    url = "https://bedrock-mantle.us-west-2.api.aws/openai/v1/chat/completions"
    headers = AwsAccess().headers(KEY, "", Unsigned("POST", url, (), body), SUITE_NOW)
    canonical = "\n".join(
        [
            "POST",
            "/openai/v1/chat/completions",
            "",
            "host:bedrock-mantle.us-west-2.api.aws",
            "x-amz-date:20150830T123600Z",
            "",
            "host;x-amz-date",
            hashlib.sha256(body).hexdigest(),
        ]
    )
    scope = "20150830/us-west-2/bedrock-mantle/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n20150830T123600Z\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    step = f"AWS4{SECRET}".encode()
    for part in scope.split("/"):
        step = hmac.digest(step, part.encode(), "sha256")
    signature = hmac.digest(step, to_sign.encode(), "sha256").hex()
    assert of(headers, "authorization") == (
        f"AWS4-HMAC-SHA256 Credential={ID}/{scope}, SignedHeaders=host;x-amz-date, Signature={signature}"
    )


def place(base_url: str, **options: str) -> Place:
    return Place(base_url=base_url, dialect="bedrock", version="", path="/x", model="m", stream=False, options=options)


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("bedrock-runtime.us-east-1.amazonaws.com", "us-east-1"),
        ("bedrock-runtime-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("bedrock-runtime.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("vpce-0a1b-c2d3.bedrock-runtime.eu-central-1.vpce.amazonaws.com", "eu-central-1"),
        ("bedrock-mantle.ap-southeast-2.api.aws", "ap-southeast-2"),
        ("bedrock-runtime.eusc-de-east-1.amazonaws.eu", "eusc-de-east-1"),
    ],
)
def test_the_host_names_the_region(host: str, region: str) -> None:
    url = AwsAccess().url(place(f"https://{host}"))
    assert url == f"https://{host}/x"
    headers = AwsAccess().headers(KEY, "", Unsigned("POST", url, (), b""), 0.0)
    assert f"/19700101/{region}/bedrock" in of(headers, "authorization")


def test_the_option_names_it_elsewhere() -> None:
    access = AwsAccess()
    url = access.url(place("http://127.0.0.1:8000", region="us-east-2"))
    headers = access.headers(KEY, "", Unsigned("POST", url, (), b"", {"region": "us-east-2"}), 0.0)
    assert "/us-east-2/bedrock/" in of(headers, "authorization")
    with pytest.raises(ValueError, match="'region'"):
        access.url(place("http://127.0.0.1:8000"))
    with pytest.raises(ValueError, match="'region'"):
        access.url(place("https://bedrock-runtime.{region}.amazonaws.com"))


def test_any_other_key_is_one_of_bedrock() -> None:
    request = Unsigned("POST", "https://bedrock-runtime.us-east-1.amazonaws.com/x", (), b"")
    assert AwsAccess().headers("ABSKQmVk", "", request, 0.0) == (("authorization", "Bearer ABSKQmVk"),)
    assert AwsAccess().headers("", "", request, 0.0) == ()
    assert AwsAccess().exchange(KEY, {}, 0.0) is None
    assert AwsAccess().body(b"{", place("https://x")) == b"{"


@pytest.mark.parametrize("key", ["AKID|", "|secr3t", "AKID|secr3t|", "a|secr3t|c|d", "AKID|secr 3t", "AKID|s\r\nx: y"])
def test_a_key_that_cannot_be_read_is_not_shown(key: str) -> None:
    with pytest.raises(ValueError, match="ACCESS_KEY_ID") as raised:
        AwsAccess().headers(key, "", Unsigned("POST", "https://a.us-east-1.b", (), b""), 0.0)
    assert "secr" not in str(raised.value)
