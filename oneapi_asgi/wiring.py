"""What a gateway is assembled from: each part made of the options that concern it, mistakes told at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial

from .announced import AnnouncedRevision
from .health import Ejection, Health, Refusals, SharedEjection
from .housekeeping import Chore, old_records
from .limitbook import LimitBook
from .links import LinkedFiles
from .models import Channel, Limit, Price, TokenDraft
from .owners import Owners
from .planning import Planner, Route, RoutePlanner
from .pool import ChannelPool
from .ports import CallStorage, ChannelSwitch, Declarations, NoteStore, RateStore, RecordPruner, Shared
from .pricebook import PriceBook, PriceCatalog, UnknownModel
from .providers.catalog import mistaken_options, provider_of
from .quota import Quota
from .ratelimit import RateLimiter
from .rates import LocalRates, Share
from .retirement import Retirement
from .revision import Revision
from .spool import Spool
from .tariffs import Group
from .upstream import Upstream

__all__ = [
    "chores_of",
    "declaration_of",
    "health_of",
    "limiter_of",
    "links_of",
    "planner_of",
    "prices_of",
    "quota_of",
    "retirement_of",
    "revision_of",
]


def prices_of(
    storage: CallStorage,
    revision: Revision,
    declared: Mapping[str, Price] | None,
    groups: Iterable[Group],
    catalog: PriceCatalog | None,
    unknown: UnknownModel,
    default: Price | None,
) -> PriceBook:
    return PriceBook(
        storage,
        revision=revision,
        declared=declared,
        groups=groups,
        catalog=catalog,
        unknown=unknown,
        default=default,
    )


def links_of(upstream: Upstream, hosts: Iterable[str]) -> LinkedFiles | None:
    named = tuple(hosts)
    return LinkedFiles(upstream, named) if named else None


def quota_of(
    storage: CallStorage, prices: PriceBook, book: LimitBook, default_max_output: int, spool: Spool | None
) -> Quota:
    return Quota(storage, prices, limits=book, budgets=storage, default_max_output=default_max_output, spool=spool)


def revision_of(storage: CallStorage, shared: Shared | None, interval: float) -> Revision:
    if shared is None:
        return Revision(storage, interval=interval)
    announced = AnnouncedRevision(storage, shared.notices)
    revision = Revision(announced, interval=interval)
    announced.tell(revision.expect_change)
    return revision


def health_of(health: Health | None, shared: Shared | None) -> Health:
    """``health``, or one that ejects, and tells the other replicas."""
    if health is not None:
        return health
    return SharedEjection(shared.notices) if shared is not None else Ejection()


def planner_of(
    planner: Callable[[ChannelPool], Planner] | None,
    pool: ChannelPool,
    routes: Iterable[Route],
    max_attempts: int,
    prices: PriceBook,
    owners: Owners,
) -> Planner:
    if planner is not None:
        return planner(pool)
    return RoutePlanner(pool, routes, max_attempts=max_attempts, prices=prices, owners=owners)


def retirement_of(
    storage: CallStorage,
    health: Health,
    disable_on: Iterable[str],
    on_disabled: Callable[[Channel, str], None] | None,
) -> Retirement | None:
    named = tuple(disable_on)
    if not named:
        return None
    if not isinstance(storage, ChannelSwitch):
        raise TypeError(f"{type(storage).__name__} cannot switch channels off: it has no method 'disable_channel'")
    if not isinstance(health, Refusals):
        raise TypeError(f"{type(health).__name__} does not know of which channels every key is refused")
    return Retirement(storage, health, disable_on=named, on_disabled=on_disabled)


def limiter_of(
    book: LimitBook, shared: Shared | None, processes: int, requests_per_minute: int | None, default_max_output: int
) -> RateLimiter:
    own = LocalRates()
    counters: RateStore = shared.rates if shared else own if processes == 1 else Share(own, processes)
    return RateLimiter(
        requests_per_minute=requests_per_minute,
        limits=book,
        counters=counters,
        default_max_output=default_max_output,
    )


def chores_of(storage: CallStorage, keep_records: float | None) -> Mapping[str, Chore]:
    chores: dict[str, Chore] = {"answers": storage.purge_answers}
    if isinstance(storage, NoteStore):
        chores["notes"] = storage.purge_notes
    if keep_records is None:
        return chores
    if not isinstance(storage, RecordPruner):
        raise TypeError(f"{type(storage).__name__} cannot delete records: it has no method 'prune_records'")
    return {**chores, "records": old_records(storage, keep=keep_records)}


def declaration_of(
    storage: CallStorage,
    channels: Sequence[Channel] | None,
    tokens: Sequence[TokenDraft] | None,
    limits: Sequence[Limit] | None,
) -> Callable[[], Awaitable[None]] | None:
    """What there is to declare at the start. Mistakes are told now, not by the first call."""
    if not isinstance(storage, CallStorage):
        raise TypeError(f"storage must be a Storage, such as MemoryStorage() or SQLStorage(url), not {storage!r:.80}")
    for channel in channels or ():
        provider_of(channel)
        mistakes = [f"{option}: {what}" for option, what in mistaken_options(channel)]
        if mistakes:
            raise ValueError(f'channel "{channel.name}": options: {"; ".join(mistakes)}')
    if channels is None and tokens is None and limits is None:
        return None
    if not isinstance(storage, Declarations):
        raise TypeError(f"{type(storage).__name__} cannot declare anything: it has no method 'declare'")
    return partial(storage.declare, channels or (), tokens or (), limits or ())
