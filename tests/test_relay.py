"""The relay by itself: whom it asks, how often, how long it waits, and who ends it."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable, MutableMapping, Sequence
from typing import Any

import pytest

from oneapi_asgi.call import Call
from oneapi_asgi.delivery import AnswerCutError
from oneapi_asgi.health import Ejection
from oneapi_asgi.models import Candidate, Channel, Secret
from oneapi_asgi.pace import Pacing
from oneapi_asgi.relay import Relay
from oneapi_asgi.retry import RetryBudget
from oneapi_asgi.slots import Slots
from oneapi_asgi.upstream.seam import Outgoing, Timeouts, UpstreamFault

Message = MutableMapping[str, Any]
Step = bytes | float | UpstreamFault
"""Bytes that come, seconds that pass, or how it breaks off."""

EVENTS = (("content-type", "text/event-stream"),)
JSON = (("content-type", "application/json"),)
ROLE = b'data: {"choices":[{"index":0,"delta":{"role":"assistant"},"finish_reason":null}]}\n\n'
EMPTY = b'data: {"choices":[{"index":0,"delta":{"content":""},"finish_reason":null}]}\n\n'
END = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
WHOLE = b'{"choices":[{"message":{"content":"hi"}}],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}'
FOR_EVER = 3600.0


def piece(text: str) -> bytes:
    return b'data: {"choices":[{"index":0,"delta":{"content":"%s"},"finish_reason":null}]}\n\n' % text.encode()


class Says:
    """One answer, or how it fails to come."""

    def __init__(
        self, *steps: Step, status: int = 200, headers: Sequence[tuple[str, str]] = EVENTS, wait: float = 0
    ) -> None:
        self.steps = steps
        self.status = status
        self.headers = headers
        self.wait = wait
        self.read = 0
        self.closed = asyncio.Event()

    async def chunks(self) -> AsyncIterator[bytes]:
        for step in self.steps:
            match step:
                case bytes():
                    self.read += 1
                    yield step
                case UpstreamFault():
                    raise step
                case seconds:
                    await asyncio.sleep(seconds)

    async def close(self) -> None:
        self.closed.set()


class Upstreams:
    """Answers each channel's requests as it is told, the last answer again and again."""

    def __init__(self, **answers: Says | UpstreamFault | list[Says | UpstreamFault]) -> None:
        self._answers = {name: said if isinstance(said, list) else [said] for name, said in answers.items()}
        self.asked: list[str] = []
        self.at: list[float] = []

    async def send(self, request: Outgoing) -> Says:
        name = request.url.removeprefix("http://").partition(".")[0]
        answers = self._answers[name]
        said = answers[min(self.asked.count(name), len(answers) - 1)]
        self.asked.append(name)
        self.at.append(asyncio.get_running_loop().time())
        if isinstance(said, UpstreamFault):
            raise said
        await asyncio.sleep(said.wait)
        return said


def channel(name: str, **more: Any) -> Channel:
    number = ord(name[0])
    more = {"provider": "openai-compatible", "api_keys": (Secret("sk-0"), Secret("sk-1"))} | more
    return Channel(id=number, name=name, base_url=f"http://{name}.test/v1", **more)


def plan(*names: str, **more: Any) -> tuple[Candidate, ...]:
    """``a1`` is the second key of ``a``."""
    return tuple(Candidate(channel(name[0], **more), int(name[1:] or 0), "m") for name in names)


class Caller:
    """What one caller sees; it leaves when told, and reads only while it may."""

    def __init__(self, *, stream: bool = True, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
        body = {"model": "m", "stream": stream, "messages": [{"role": "user", "content": "hi"}]}
        self.left, self.reads = asyncio.Event(), asyncio.Event()
        self.reads.set()
        self.sent: list[Message] = []
        self.got = asyncio.Event()
        self.body = json.dumps(body).encode()
        headers = [(b"content-type", b"application/json"), *headers]
        self.scope: Message = {
            "type": "http",
            "method": "POST",
            "path": "/v1/chat/completions",
            "query_string": b"",
            "headers": headers,
        }
        self.call = Call.of(self.scope)
        self._asked = False

    async def receive(self) -> Message:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": self.body, "more_body": False}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.sent.append(message)
        self.got.set()
        if message.get("body"):
            await self.reads.wait()

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"]) if self.sent else 0

    @property
    def text(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)

    def header(self, name: bytes) -> bytes | None:
        return dict(self.sent[0]["headers"]).get(name)


async def served(relay: Relay, caller: Caller | None = None) -> Caller:
    caller = caller or Caller()
    async with asyncio.timeout(30):
        await relay(caller.scope, caller.receive, caller.send)
    return caller


def kinds(caller: Caller) -> list[str]:
    return [f"{attempt.channel}{attempt.key} {attempt.failure}" for attempt in caller.call.attempts]


GOOD = Says(ROLE, piece("hi"), END)
CUT = UpstreamFault("cut")
QUICK = Timeouts(progress=0.2)


# --- whom it asks -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failing", "asked"),
    [
        (Says(status=500), ["a", "b"]),
        (CUT, ["a", "b"]),
        (Says(b"", headers=JSON), ["a", "b"]),
        (Says(status=401), ["a", "a"]),
        (Says(status=402), ["a", "a"]),
        (Says(status=429), ["a", "a"]),
        (Says(b"{}", status=400), ["a"]),
        (Says(b"{}", status=404), ["a"]),
        (Says(b"{}", status=413), ["a"]),
        (Says(b"{}", status=422), ["a"]),
    ],
)
async def test_another_key_of_a_channel_is_asked_only_where_the_key_was_at_fault(
    failing: Says | UpstreamFault, asked: list[str]
) -> None:
    upstreams = Upstreams(a=[failing, GOOD], b=GOOD)
    caller = await served(Relay(upstreams, plan=plan("a0", "a1", "b0")))
    assert upstreams.asked == asked
    assert caller.status == (200 if len(asked) > 1 else failing.status if isinstance(failing, Says) else 0)


async def test_three_attempts_at_most() -> None:
    upstreams = Upstreams(**dict.fromkeys("abcd", Says(status=500)))
    caller = await served(Relay(upstreams, plan=plan("a", "b", "c", "d")))
    assert upstreams.asked == ["a", "b", "c"]
    assert caller.status == 502


async def test_whoever_cannot_be_asked_is_no_attempt() -> None:
    health = Ejection()
    for step in plan("a", "b"):
        for _ in range(5):
            trial = health.begin(step)
            assert not hasattr(trial, "state")
            trial.failed("server")
    panic = health.begin(plan("a")[0])  # of what is out one may be tried in some seconds
    upstreams = Upstreams(c=[CUT], d=[CUT], e=[GOOD])
    caller = await served(Relay(upstreams, plan=plan("a", "b", "c", "d", "e"), health=health))
    assert not hasattr(panic, "state")
    assert upstreams.asked == ["c", "d", "e"]
    assert kinds(caller) == ["a0 ejected", "b0 ejected", "c0 cut", "d0 cut", "e0 "]


async def test_no_retry_once_there_is_content() -> None:
    upstreams = Upstreams(a=Says(ROLE, piece("one"), CUT), b=GOOD)
    caller = await served(Relay(upstreams, plan=plan("a", "b")))
    assert upstreams.asked == ["a"]
    assert caller.text.startswith(ROLE + piece("one"))
    assert b"upstream_cut" in caller.text
    assert b"[DONE]" not in caller.text


async def test_what_comes_before_the_content_does_not_count() -> None:
    upstreams = Upstreams(a=Says(ROLE, EMPTY, b": hi\n\n", CUT), b=GOOD)
    caller = await served(Relay(upstreams, plan=plan("a", "b")))
    assert caller.text == ROLE + piece("hi") + END


# --- how often --------------------------------------------------------------------------------------------------------


async def test_retries_are_paused_for_and_not_alike() -> None:
    pauses = []
    for seed in range(4):
        upstreams = Upstreams(a=CUT, b=CUT, c=GOOD)
        await served(Relay(upstreams, plan=plan("a", "b", "c"), rng=random.Random(seed)))
        pauses.append([later - earlier for earlier, later in zip(upstreams.at, upstreams.at[1:], strict=False)])
    assert all(first > 0.045 and second > 0.095 for first, second in pauses)
    assert len({round(first, 3) for first, _ in pauses}) > 1


async def test_another_account_is_asked_at_once() -> None:
    upstreams = Upstreams(a=Says(status=429), b=GOOD)
    caller = await served(Relay(upstreams, plan=plan("a", "b"), rng=_Never()))
    assert caller.status == 200


class _Never(random.Random):
    def uniform(self, a: float, b: float) -> float:
        raise AssertionError(f"no pause of {a} to {b}")


async def test_retries_are_a_share_of_the_calls() -> None:
    upstreams = Upstreams(a=Says(status=500, wait=0.3), b=Says(ROLE, piece("hi"), END, wait=0.5))
    budget = RetryBudget()
    relay = Relay(upstreams, plan=plan("a", "b"), retries=budget)
    callers = await asyncio.gather(*[served(relay) for _ in range(30)])
    assert upstreams.asked.count("b") == 6
    assert sorted(caller.status for caller in callers) == [200] * 6 + [502] * 24
    assert (budget.calls, budget.retries) == (0, 0)


async def test_an_answer_that_has_begun_is_no_retry_any_more() -> None:
    upstreams = Upstreams(a=CUT, b=Says(piece("hi"), 0.5, END))
    budget = RetryBudget(0, least=1)
    relay = Relay(upstreams, plan=plan("a", "b"), retries=budget)
    first = Caller()
    running = asyncio.create_task(served(relay, first))
    await asyncio.wait_for(first.got.wait(), 10)
    assert budget.retries == 0
    assert (await served(relay)).status == 200
    await running


@pytest.mark.parametrize(
    "leave", [lambda caller, _: caller.left.set(), lambda _, task: task.cancel()], ids=["caller", "host"]
)
async def test_whatever_is_held_is_given_back(leave: Callable[[Caller, asyncio.Task[Caller]], object]) -> None:
    budget, slots, health = RetryBudget(), Slots(), Ejection()
    steps = plan("a", "b", concurrent_calls=1)
    relay = Relay(Upstreams(a=CUT, b=Says(wait=FOR_EVER)), plan=steps, retries=budget, slots=slots, health=health)
    caller = Caller()
    task = asyncio.create_task(served(relay, caller))
    await _until(lambda: health.in_flight(steps[1].channel, 0, "m") == 1)
    assert (budget.calls, budget.retries, slots.enter(steps[1])) == (1, 1, None)
    leave(caller, task)
    await asyncio.wait([task])
    assert (budget.calls, budget.retries) == (0, 0)
    assert slots.enter(steps[1]) is not None
    assert health.in_flight(steps[1].channel, 0, "m") == 0


async def _until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not done():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)


# --- how long ---------------------------------------------------------------------------------------------------------


async def test_a_caller_says_how_long_it_waits() -> None:
    silent = Says(wait=FOR_EVER)
    upstreams = Upstreams(a=silent, b=GOOD)
    began = asyncio.get_running_loop().time()
    caller = await served(Relay(upstreams, plan=plan("a", "b")), Caller(headers=[(b"x-request-timeout", b"0.3")]))
    assert 0.25 < asyncio.get_running_loop().time() - began < 5
    assert (caller.status, upstreams.asked, caller.call.reason) == (504, ["a"], "upstream_failed")
    assert b"0.3 s" in caller.text


async def test_it_cannot_wait_longer_than_the_operator_lets_it() -> None:
    relay = Relay(Upstreams(a=Says(wait=FOR_EVER)), plan=plan("a"), timeouts=Timeouts(total=0.2))
    caller = await served(relay, Caller(headers=[(b"x-request-timeout", b"60")]))
    assert caller.status == 504


async def test_a_time_that_is_none_is_told() -> None:
    upstreams = Upstreams(a=GOOD)
    relay = Relay(upstreams, plan=plan("a"))
    caller = await served(relay, Caller(headers=[(b"x-request-timeout", b"soon")]))
    assert (caller.status, upstreams.asked) == (400, [])
    assert json.loads(caller.text)["error"]["code"] == "invalid_timeout"


async def test_an_answer_that_ran_out_of_time_says_so() -> None:
    relay = Relay(Upstreams(a=Says(piece("one"), FOR_EVER)), plan=plan("a"))
    caller = await served(relay, Caller(headers=[(b"x-request-timeout", b"300ms")]))
    assert caller.status == 200
    assert caller.text.startswith(piece("one"))
    assert b"upstream_timeout" in caller.text
    assert caller.call.reason == "upstream_cut"


@pytest.mark.parametrize("nothing", [b": still here\n\n", EMPTY], ids=["comments", "empty deltas"])
async def test_a_stream_that_gets_nowhere_is_given_up(nothing: bytes) -> None:
    steps: list[Step] = [nothing, 0.02] * 1000
    relay = Relay(Upstreams(a=Says(piece("one"), *steps)), plan=plan("a"), timeouts=QUICK)
    caller = await served(relay)
    assert b"upstream_stalled" in caller.text
    assert b"[DONE]" not in caller.text
    assert caller.call.reason == "upstream_cut"
    assert len(caller.sent) < 200


async def test_a_stream_that_gets_nowhere_from_the_start_is_another_channels() -> None:
    steps: list[Step] = [b": still here\n\n", 0.02] * 1000
    nowhere = Says(*steps)
    upstreams = Upstreams(a=nowhere, b=GOOD)
    caller = await served(Relay(upstreams, plan=plan("a", "b"), timeouts=QUICK))
    assert caller.text == ROLE + piece("hi") + END
    assert kinds(caller) == ["a0 progress_timeout", "b0 "]
    assert nowhere.closed.is_set()


async def test_a_slow_stream_gets_somewhere() -> None:
    steps: list[Step] = [piece("x"), 0.1] * 8
    caller = await served(Relay(Upstreams(a=Says(*steps, END)), plan=plan("a"), timeouts=QUICK))
    assert caller.call.reason == "done"


# --- between two events -----------------------------------------------------------------------------------------------


async def test_silence_is_broken_by_comments() -> None:
    steps: list[Step] = [piece("one"), 0.7, piece("two"), END]
    relay = Relay(Upstreams(a=Says(*steps)), plan=plan("a"), pacing=Pacing(keep_alive=0.2))
    caller = await served(relay)
    comments = caller.text.count(b": keep-alive\n\n")
    assert 1 <= comments <= 3
    assert caller.text.replace(b": keep-alive\n\n", b"") == piece("one") + piece("two") + END


@pytest.mark.parametrize("keep_alive", [0, 60.0])
async def test_no_comments_are_sent_where_none_are_wanted(keep_alive: float) -> None:
    steps: list[Step] = [piece("one"), 0.4, END]
    pacing = Pacing(keep_alive=keep_alive, reader_seconds=0.4)  # which looks often enough
    caller = await served(Relay(Upstreams(a=Says(*steps)), plan=plan("a"), pacing=pacing))
    assert caller.text == piece("one") + END


THINKING: list[Step] = [ROLE, 0.7]
KEEP = Pacing(keep_alive=0.2)


async def test_an_upstream_that_thinks_before_it_speaks_keeps_the_connection() -> None:
    relay = Relay(Upstreams(a=Says(*THINKING, piece("hi"), END)), plan=plan("a"), pacing=KEEP)
    caller = Caller()
    task = asyncio.create_task(served(relay, caller))
    await asyncio.wait_for(caller.got.wait(), 10)
    assert (caller.status, caller.call.first_content) == (200, None)
    await task
    assert caller.text.startswith(b": keep-alive\n\n")
    assert caller.text.replace(b": keep-alive\n\n", b"") == ROLE + piece("hi") + END
    assert [message["type"] for message in caller.sent].count("http.response.start") == 1
    assert caller.header(b"content-type") == b"text/event-stream"


async def test_another_channel_may_still_answer_then() -> None:
    upstreams = Upstreams(a=Says(*THINKING, CUT), b=GOOD)
    caller = await served(Relay(upstreams, plan=plan("a", "b"), pacing=KEEP))
    assert caller.text.replace(b": keep-alive\n\n", b"") == ROLE + piece("hi") + END
    assert kinds(caller) == ["a0 cut", "b0 "]
    assert [message["type"] for message in caller.sent].count("http.response.start") == 1


@pytest.mark.parametrize(
    ("then", "code", "reason"),
    [
        (Says(status=500), "upstream_error", "upstream_failed"),
        (Says(b'{"error":{"message":"no such thing","code":"bad"}}', status=400), "bad", "refused"),
        (Says(WHOLE, headers=JSON), "upstream_error", "upstream_failed"),
    ],
    ids=["failed", "caller's fault", "no stream"],
)
async def test_what_goes_wrong_then_is_told_in_the_stream(then: Says, code: str, reason: str) -> None:
    upstreams = Upstreams(a=Says(*THINKING, CUT), b=then)
    caller = await served(Relay(upstreams, plan=plan("a", "b"), pacing=KEEP))
    assert caller.status == 200
    told = caller.text.replace(b": keep-alive\n\n", b"").removeprefix(b"data: ")
    assert json.loads(told)["error"]["code"] == code
    assert caller.call.reason == reason
    assert caller.call.usage is None
    assert not caller.sent[-1].get("more_body")


async def test_a_silent_upstream_is_refused_as_ever() -> None:
    relay = Relay(Upstreams(a=Says(status=500, wait=0.7)), plan=plan("a"), pacing=KEEP)
    assert (await served(relay)).status == 502


# --- who reads --------------------------------------------------------------------------------------------------------


async def test_a_caller_that_does_not_read_is_let_go() -> None:
    said = Says(*[piece("x" * 100)] * 50, END)
    relay = Relay(Upstreams(a=said), plan=plan("a"), pacing=Pacing(reader_seconds=0.2))
    caller = Caller()
    caller.reads.clear()
    with pytest.raises(AnswerCutError):
        await served(relay, caller)
    assert caller.call.reason == "client_slow"
    assert caller.call.usage is not None
    assert (said.read, said.closed.is_set()) == (1, True)


async def test_nothing_is_read_ahead_of_a_caller() -> None:
    said = Says(*[piece("x")] * 50, END)
    caller = Caller()
    caller.reads.clear()
    task = asyncio.create_task(served(Relay(Upstreams(a=said), plan=plan("a")), caller))
    await asyncio.wait_for(caller.got.wait(), 10)
    for _ in range(50):
        await asyncio.sleep(0)
    assert said.read == 1
    caller.reads.set()
    await task
    assert caller.call.reason == "done"


USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12}}\n\n'
BILLS_ON = {"provider": "groq"}


@pytest.mark.parametrize(("more", "output", "read"), [(BILLS_ON, 7, 4), ({}, 1, 1)], ids=["bills on", "stops"])
async def test_what_is_billed_to_its_end_is_heard_out(more: dict[str, str], output: int, read: int) -> None:
    said = Says(piece("one"), 0.3, piece("two"), USAGE, END)
    relay = Relay(Upstreams(a=said), plan=plan("a", **more))
    caller = Caller()
    task = asyncio.create_task(served(relay, caller))
    await asyncio.wait_for(caller.got.wait(), 10)
    caller.left.set()
    await task
    assert caller.call.reason == "client_gone"
    assert caller.call.usage is not None
    assert (caller.call.usage.output, said.read, said.closed.is_set()) == (output, read, True)
    assert caller.text == piece("one")


@pytest.mark.parametrize("pacing", [Pacing(drain_seconds=0.2), Pacing(drain_bytes=200)], ids=["seconds", "bytes"])
async def test_nobody_is_heard_out_for_ever(pacing: Pacing) -> None:
    steps: list[Step] = [piece("x"), 0.02] * 500
    said = Says(piece("one"), 0.1, *steps)
    caller = Caller()
    task = asyncio.create_task(served(Relay(Upstreams(a=said), plan=plan("a", **BILLS_ON), pacing=pacing), caller))
    await asyncio.wait_for(caller.got.wait(), 10)
    caller.left.set()
    await task
    assert caller.call.reason == "client_gone"
    assert caller.call.usage is not None
    assert caller.call.usage.estimated
    assert 1 < said.read < 100


async def test_nobody_else_is_asked_for_a_caller_that_has_gone() -> None:
    upstreams = Upstreams(a=Says(0.3, CUT), b=GOOD)
    caller = Caller()
    task = asyncio.create_task(served(Relay(upstreams, plan=plan("a", "b", **BILLS_ON)), caller))
    await _until(lambda: bool(upstreams.asked))
    caller.left.set()
    await task
    assert (upstreams.asked, caller.call.reason, caller.call.usage) == (["a"], "client_gone", None)


# --- how many at once -------------------------------------------------------------------------------------------------


async def test_a_full_channel_is_passed_over() -> None:
    slots, steps = Slots(), plan("a", "b", concurrent_calls=1)
    held = slots.enter(steps[0])
    assert held is not None
    upstreams = Upstreams(b=GOOD)
    caller = await served(Relay(upstreams, plan=steps, slots=slots))
    assert (upstreams.asked, kinds(caller)) == (["b"], ["b0 "])


async def test_when_all_are_full_a_call_waits_for_its_turn() -> None:
    upstreams = Upstreams(a=Says(piece("hi"), 0.1, END))
    relay = Relay(upstreams, plan=plan("a", concurrent_calls=1), slots=Slots(patience=10))
    callers = await asyncio.gather(*[served(relay) for _ in range(2)])
    assert [caller.status for caller in callers] == [200, 200]
    assert upstreams.at[1] - upstreams.at[0] > 0.09


async def test_but_not_for_long_and_not_in_any_number() -> None:
    relay = Relay(
        Upstreams(a=Says(piece("hi"), FOR_EVER)),
        plan=plan("a", concurrent_calls=1),
        slots=Slots(patience=0.2),
        timeouts=Timeouts(total=1),
    )
    callers = await asyncio.gather(*[served(relay) for _ in range(4)])
    assert sorted(caller.status for caller in callers) == [200, 503, 503, 503]
    refused = next(caller for caller in callers if caller.status == 503)
    assert (refused.header(b"retry-after"), refused.header(b"x-should-retry")) == (b"1", b"true")
    assert refused.call.reason == "refused"


# --- what is learned --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "barred"),
    [
        (Says(status=500), True),
        (Says(piece("one"), CUT), True),
        (Says(b"{}", status=400), False),
        (Says(b"{}", status=422), False),
        (GOOD, False),
    ],
    ids=["refused", "cut", "caller's fault", "too", "good"],
)
async def test_five_failures_of_its_own_put_a_channel_out(said: Says, *, barred: bool) -> None:
    health, (step,) = Ejection(), plan("a")
    relay = Relay(Upstreams(a=said), plan=(step,), health=health)
    for _ in range(5):
        await served(relay)
    assert health.standing(step.channel, step.key, "m").state == ("out" if barred else "fit")


async def test_the_only_channel_survives_a_bad_moment() -> None:
    upstreams = Upstreams(a=[Says(status=401), GOOD])
    relay = Relay(upstreams, plan=plan("a"), health=Ejection())
    assert [(await served(relay)).status for _ in range(3)] == [502, 200, 200]


async def test_whoever_is_out_is_told_of_at_once() -> None:
    upstreams = Upstreams(a=Says(status=500))
    relay = Relay(upstreams, plan=plan("a"), health=Ejection())
    callers = [await served(relay) for _ in range(12)]
    assert [caller.status for caller in callers[:5]] == [502] * 5
    assert [caller.status for caller in callers[6:]] == [503] * 6
    assert len(upstreams.asked) <= 6  # one probe in some seconds
    wait = callers[-1].header(b"retry-after")
    assert wait is not None
    assert 1 <= int(wait) <= 36
