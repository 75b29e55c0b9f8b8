"""The facts that components exchange: frozen, comparable, free of behaviour that could fail.

Units, everywhere: money is an integer of nano-dollars (10⁻⁹ USD, so that an int64 holds nine billion dollars), prices
are nano-dollars per million tokens, times are Unix seconds, durations are seconds.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

__all__ = [
    "MOST_MONEY",
    "NANO",
    "Ask",
    "AskKind",
    "Attempt",
    "Balance",
    "CallRecord",
    "Candidate",
    "Channel",
    "Checkpoint",
    "EndReason",
    "Ended",
    "Granted",
    "Holder",
    "Level",
    "Limit",
    "LimitScope",
    "Period",
    "Price",
    "Pulse",
    "Refused",
    "Reserve",
    "Reserved",
    "Secret",
    "Settle",
    "Settled",
    "Short",
    "Tier",
    "Token",
    "TokenDraft",
    "TokenStatus",
    "Usage",
    "User",
]

MOST_MONEY = 2**62
"""Nano-dollars that one amount may come to: a sum of two still fits an int64."""

NANO = 1_000_000_000
"""Nano-dollars in a dollar."""

TokenStatus = Literal["enabled", "disabled", "expired", "exhausted"]

LimitScope = Literal["token", "user", "group", "model", "channel"]

Period = Literal["day", "week", "month"]
"""Of a budget. By the calendar it begins at midnight UTC, a week on Monday, a month on its first. A rolling month has
30 days."""

AskKind = Literal["requests", "tokens", "calls"]
"""What a limit counts: requests or tokens in a minute, or calls at one moment."""

EndReason = Literal[
    "done",  # the upstream finished its answer
    "client_gone",  # the caller hung up
    "upstream_cut",  # the upstream ended early, after the first content
    "upstream_failed",  # no attempt led to an answer
    "refused",  # the gateway or the upstream refused the request
    "revoked",  # the token or its owner lost the right to go on
    "client_slow",  # the caller read next to nothing for too long
    "drained",  # the gateway was shut down
    "aborted",  # the host cancelled the call, or a component failed
]


class Secret:
    """A string that shows itself only when asked: ``reveal()``.

    Its ``repr`` and ``str`` show no more than ``masked()``, so a log line or a traceback never holds the value.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def masked(self) -> str:
        """The last four characters, to tell secrets apart; none of a short one, of which too few would be left."""
        return f"…{self._value[-4:]}" if len(self._value) >= 16 else "…"

    def __repr__(self) -> str:
        return f"Secret('{self.masked()}')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))


class User(Struct, frozen=True, kw_only=True):
    """Whoever owns tokens. ``wallet`` is the account that pays for all of them."""

    id: int
    name: str
    wallet: int
    group: str = "default"
    admin: bool = False
    enabled: bool = True


class Token(Struct, frozen=True, kw_only=True):
    """A client's credential, with what its owner may do. The key itself is never stored, only its SHA-256 ``digest``.

    ``models`` and ``subnets`` are allow-lists (globs; CIDR blocks), empty for "all". ``accounts`` are what a call is
    charged to, all at once: the token's own cap, then its owner's wallet. ``limited`` says whether any of them can run
    dry. ``expires_at`` is in Unix seconds, None for never.
    """

    id: int
    name: str
    digest: str
    prefix: str = ""
    status: TokenStatus = "enabled"
    expires_at: float | None = None
    models: tuple[str, ...] = ()
    subnets: tuple[str, ...] = ()
    requests_per_minute: int | None = None
    accounts: tuple[int, ...] = ()
    limited: bool = False
    user_id: int = 0
    user_name: str = ""
    user_enabled: bool = True
    admin: bool = False
    group: str = "default"


class TokenDraft(Struct, frozen=True, kw_only=True):
    """A token to be made. ``quota`` is its cap in nano-dollars, None for none but the wallet of its owner ``user``."""

    name: str
    digest: str
    prefix: str = ""
    quota: int | None = None
    expires_at: float | None = None
    models: tuple[str, ...] = ()
    subnets: tuple[str, ...] = ()
    requests_per_minute: int | None = None
    user: str = "root"


class Channel(Struct, frozen=True, kw_only=True):
    """An upstream account: a provider, one or more keys, and the models it serves.

    ``models`` are exact names or globs, ``model_map`` turns what callers name into what the upstream names (its keys
    are served too). A higher ``priority`` is tried first; ``weight`` is the share within one priority. ``base_url``
    None takes the provider's own. ``dialects`` are the formats to use, if not all that the provider speaks; ``options``
    are what it needs beside a key (a region, …). ``unsupported`` says what becomes of parameters that it cannot take.
    ``concurrent_calls`` and ``concurrent_calls_per_key`` are how many calls it takes at one moment, in all and with
    each key; None for no limit. ``disabled_because`` is why the gateway switched it off by itself, empty if it did not.

    The rest is what it changes of each call (``overrides`` says what it may). ``headers`` go upstream in place of those
    of the same name, whoever set them; they may show credentials. ``parameters`` are JSON values that take the place of
    fields at the top of the body, as the provider's format has them; None takes a field away. ``system_prompt`` takes
    the place of what a conversation begins with as its system message, or is put before it. ``proxy`` is the URL that
    the provider is reached through.
    """

    id: int
    name: str
    provider: str = "openai"
    base_url: str | None = None
    dialects: tuple[str, ...] = ()
    options: dict[str, str] = {}
    unsupported: Literal["drop", "refuse"] = "drop"
    api_keys: tuple[Secret, ...] = ()
    models: tuple[str, ...] = ("*",)
    model_map: dict[str, str] = {}
    groups: tuple[str, ...] = ("default",)
    priority: int = 0
    weight: int = 1
    concurrent_calls: int | None = None
    concurrent_calls_per_key: int | None = None
    headers: dict[str, str] = {}
    parameters: dict[str, Any] = {}
    system_prompt: str = ""
    proxy: Secret | None = None
    enabled: bool = True
    disabled_because: str = ""

    def __repr__(self) -> str:
        """As of other facts, but of headers without what they say: it may be a credential."""
        told = {name: getattr(self, name) for name in self.__struct_fields__}
        told["headers"] = dict.fromkeys(self.headers, "…")
        return f"Channel({', '.join(f'{name}={value!r}' for name, value in told.items())})"


class Limit(Struct, frozen=True, kw_only=True):
    """How much each of what ``name`` matches may use, each for itself: a token, user, group, model or channel.

    ``name`` is a name or a glob (``"*"``: every one of them), of models as callers name them. ``budget`` is in
    nano-dollars per ``period``, by the calendar or, ``rolling``, over the time that just passed. None is no limit.
    """

    id: int = 0
    scope: LimitScope
    name: str = "*"
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent_calls: int | None = None
    budget: int | None = None
    period: Period = "month"
    rolling: bool = False


class Ask(Struct, frozen=True):
    """What a call wants of the counter ``key``: ``amount`` of the ``limit``, and no more than that."""

    key: str
    kind: AskKind
    limit: int
    amount: int = 1


class Level(Struct, frozen=True):
    """How a counter stands: what may still be taken now, and the seconds until it is whole again (0: of calls, which
    end when they end)."""

    remaining: int
    reset: float


class Granted(Struct, frozen=True):
    """Everything was taken, as ``asks`` say, and the counters then stood at ``levels``. ``id`` names the taking;
    ``shared`` is whether it was counted for all replicas or in this process."""

    id: str
    asks: tuple[Ask, ...]
    levels: tuple[Level, ...]
    shared: bool = False


class Refused(Struct, frozen=True):
    """Nothing was taken: of the ask at index ``which`` there will be enough in ``wait`` seconds, as far as one can
    tell, and of all others before."""

    which: int
    wait: float
    levels: tuple[Level, ...]


class Pulse(Struct, frozen=True):
    """What a storage says of itself: its revision, and what time it is by its clock."""

    revision: int
    now: float


class Candidate(Struct, frozen=True):
    """One step of a plan: this channel, with this key of it, under this upstream model. ``fallback`` is the model, as
    callers name it, that serves in place of the one that was asked for; empty where it is that one."""

    channel: Channel
    key: int
    upstream_model: str
    fallback: str = ""


class Holder(Struct, frozen=True):
    """Whose account at a provider something lies in: the channel's, under the key of this hex SHA-256 digest."""

    channel_id: int
    key: str


class Price(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a model costs, in nano-dollars per million tokens, per call, and per minute of audio.

    None means "as plain input" (or output) for the parts that providers price apart. ``max_output`` is the model's own
    limit of output tokens, used to guess the cost of a call that names none. ``tiers`` replace all of it for calls with
    more input tokens than the tier names. ``ratio`` is what is paid of all that, in billionths: in the price of a call,
    that of the caller's group.
    """

    input: int = 0
    output: int = 0
    cache_read: int | None = None
    cache_write: int | None = None
    cache_write_1h: int | None = None
    reasoning: int | None = None
    input_audio: int | None = None
    output_audio: int | None = None
    input_image: int | None = None
    output_image: int | None = None
    audio_minute: int = 0
    per_call: int = 0
    max_output: int | None = None
    tiers: tuple[Tier, ...] = ()
    ratio: int = NANO


class Tier(Struct, frozen=True):
    """The price of calls with more than ``above`` input tokens, for every token of the call."""

    above: int
    price: Price


class Usage(Struct, frozen=True, kw_only=True):
    """Counts of one call. ``input`` includes the cached, audio and image parts, ``output`` the reasoning, audio and
    image parts, as OpenAI counts. ``estimated`` says that the upstream never told."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    reasoning: int = 0
    input_audio: int = 0
    output_audio: int = 0
    input_image: int = 0
    output_image: int = 0
    audio_seconds: int = 0
    calls: int = 1
    estimated: bool = False


class Reserve(Struct, frozen=True):
    """Hold ``amount`` on every one of ``accounts``, or nothing at all. Where the amount is a guess, any sum down to
    ``at_least`` is welcome: the ledger holds what the balances afford. ``lease`` seconds later an unsettled reservation
    may expire. ``id`` is the caller's, unique for ever."""

    id: str
    accounts: tuple[int, ...]
    amount: int
    at_least: int
    lease: float


class Settle(Struct, frozen=True):
    """End the reservation ``id`` at ``cost``, 0 to release it. What was held and not spent returns; what was spent
    beyond the hold is taken from the balances, and booked as overdraft where they do not cover it. To the accounts in
    ``spare`` everything returns: those of channels that were planned and did not serve."""

    id: str
    cost: int
    spare: tuple[int, ...] = ()


class Checkpoint(Struct, frozen=True):
    """Renew the lease of the reservation ``id``, and note what the call has cost so far: that is charged should nobody
    settle it before the lease runs out. A cost that was noted never falls."""

    id: str
    cost: int
    lease: float
    spare: tuple[int, ...] = ()


class Reserved(Struct, frozen=True):
    """The reservation stands, with ``amount`` held on every account; so it does after a checkpoint."""

    amount: int


class Short(Struct, frozen=True):
    """Nothing was held: ``account`` does not cover ``at_least``, its ``balance`` is all there is, less than 0 when an
    overdraft has to be covered first. ``wait`` is the seconds until a budget has enough again, None if it never has. Of
    several accounts that are short, it is the one that takes longest."""

    account: int
    balance: int
    wait: float | None = None


class Settled(Struct, frozen=True):
    """The reservation ended now. ``overdraft`` is what no balance covered."""

    overdraft: int = 0


class Ended(Struct, frozen=True):
    """The reservation had ended before, or never was: nothing was changed."""


class Balance(Struct, frozen=True):
    """One account: what may still be spent, what was spent so far, what is owed. ``unlimited`` accounts only count."""

    account: int
    available: int
    used: int
    overdraft: int = 0
    unlimited: bool = False


class Attempt(Struct, frozen=True):
    """One try of one candidate: the status of the answer (None without one), and why it failed, empty if it did not.

    ``key`` is the index of the channel's key.
    """

    channel_id: int
    channel: str
    key: int
    upstream_model: str
    status: int | None
    failure: str
    duration: float


class CallRecord(Struct, frozen=True, kw_only=True):
    """What happened to one call, for bills and statistics. Holds no text of prompts or answers.

    ``at`` is when it began; ``first_content`` and ``duration`` are seconds from then. ``upstream_model`` and
    ``channel_id`` are those of the attempt that served. ``status`` is what the caller was sent, 0 for nothing.
    ``client`` is the caller's address.
    """

    id: str
    at: float
    operation: str
    token_id: int | None = None
    token_name: str = ""
    user_id: int | None = None
    model: str = ""
    upstream_model: str = ""
    channel_id: int | None = None
    attempts: tuple[Attempt, ...] = ()
    usage: Usage | None = None
    price: Price | None = None
    cost: int = 0
    status: int = 0
    reason: EndReason = "done"
    stream: bool = False
    first_content: float | None = None
    duration: float = 0.0
    client: str = ""
    upstream_request_id: str = ""
