"""Which kinds of channels there are, and which models: those that are known of each kind, and those that an upstream
lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Protocol

from msgspec import UNSET, Meta, Struct, UnsetType

from ..desk.channels import ChannelReader, KeptChannel
from ..desk.roles import Role
from ..errors import UpstreamFailed
from ..pool import named_models
from ..providers.catalog import CATALOG, COMMON_OPTIONS
from ..providers.kinds import kind_of, kinds
from ..trial import offered_models
from ..upstream import Timeouts, Upstream, UpstreamFault
from .channel_edits import NEW, Limits, revised
from .channel_hosts import ChannelHosts, known_origins
from .channel_rows import ChannelEdit, refusals
from .channel_tests import TEST_TIMEOUTS, first_key
from .routes import Nothing, Reply, Route, Visit

__all__ = ["ChannelModels", "ModelCatalog"]


class ModelCatalog(Protocol):
    async def models(self) -> Mapping[str, Sequence[str]]:
        """The names of models by vendor."""
        ...


_VENDORS: Mapping[str, str] = {
    "openai-responses": "openai",
    "azure-claude": "anthropic",
    "gemini": "google",
    "gemini-openai": "google",
    "vertex": "google",
    "bedrock": "aws",
    "cohere-openai": "cohere",
    "moonshot": "moonshotai",
    "moonshot-intl": "moonshotai",
    "minimax-cn": "minimax",
    "ovh": "ovhcloud",
    "voyage": "voyageai",
    "xai": "x-ai",
    "zhipu": "zhipuai",
}
"""What vendors are called by those who publish prices, where it is not our name."""


class KindRow(Struct, frozen=True, kw_only=True):
    """``type`` is One API's number, 50 for kinds that it does not know. ``base_url`` is empty where it has to be said.
    ``options`` are what can be set, each with a line on what it is; a line that begins with ``required:`` must be."""

    type: int
    provider: str
    name: str
    base_url: str
    dialects: tuple[str, ...]
    key_format: str
    options: dict[str, str]
    note: str


class ModelRow(Struct, frozen=True, kw_only=True):
    id: str
    object: str = "model"
    owned_by: str


class Draft(Struct, frozen=True, kw_only=True):
    """A channel that is not there yet, as ``POST /channel`` has it."""

    type: int | UnsetType = UNSET
    provider: Annotated[str, Meta(max_length=255)] | UnsetType = UNSET
    base_url: Annotated[str, Meta(max_length=1024)] | UnsetType | None = UNSET
    key: Annotated[str, Meta(max_length=1_000_000)] | UnsetType | None = UNSET
    options: dict[str, str] | UnsetType = UNSET
    config: dict[str, str] | Annotated[str, Meta(max_length=60_000)] | UnsetType | None = UNSET


class ChannelModels:
    """``catalog`` knows models by vendor. ``timeouts`` are those of asking an upstream."""

    def __init__(
        self,
        store: ChannelReader,
        upstream: Upstream,
        hosts: ChannelHosts,
        *,
        catalog: ModelCatalog | None = None,
        timeouts: Timeouts = TEST_TIMEOUTS,
    ) -> None:
        self._store = store
        self._upstream = upstream
        self._hosts = hosts
        self._catalog = catalog
        self._timeouts = timeouts

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("GET", "/models", self.by_type, role=Role.COMMON, summary="The models that are known of each type",
                  data=dict[str, list[str]]),
            Route("GET", "/channel/models", self.all, role=Role.ADMIN, summary="All models that are known, or that a "
                  "channel names", data=list[ModelRow]),
            Route("GET", "/channel/types", self.types, role=Role.ADMIN, summary="The kinds of channels",
                  data=list[KindRow]),
            Route("GET", "/channel/fetch_models/{id}", self.fetch, role=Role.ADMIN, summary="What the upstream of a "
                  "channel lists", data=list[str]),
            Route("POST", "/channel/fetch_models", self.fetch_draft, role=Role.ADMIN, summary="What the upstream of a "
                  "channel that is not saved yet lists", body=Draft, data=list[str], quiet="nothing is kept of it"),
        )  # fmt: skip

    async def by_type(self, visit: Visit[Nothing, Nothing]) -> dict[str, list[str]]:  # noqa: ARG002
        known = await self._known()
        return {str(kind): list(known.get(provider, ())) for kind, provider in kinds().items()}

    async def all(self, visit: Visit[Nothing, Nothing]) -> Reply:  # noqa: ARG002
        owners = {name: provider for provider, names in (await self._known()).items() for name in names}
        for kept in await self._store.all_channels():
            owners |= {name: owners.get(name, kept.channel.provider) for name in named_models(kept.channel)}
        rows = [ModelRow(id=name, owned_by=owner) for name, owner in sorted(owners.items())]
        return Reply(data=rows, extra={"object": "list"})

    async def types(self, visit: Visit[Nothing, Nothing]) -> Sequence[KindRow]:  # noqa: ARG002
        return [
            KindRow(
                type=kind_of(row.id),
                provider=row.id,
                name=row.name,
                base_url=row.base_url or "",
                dialects=row.dialects,
                key_format=row.key_format,
                options={**row.options, **COMMON_OPTIONS},
                note=row.note,
            )
            for row in CATALOG.values()
        ]

    async def fetch(self, visit: Visit[Nothing, Nothing]) -> Sequence[str]:
        with refusals():
            kept = await self._store.find_channel(visit.id())
            if kept is None:
                raise KeyError(visit.id())
        return await self._offered(kept)

    async def fetch_draft(self, visit: Visit[Nothing, Draft]) -> Sequence[str]:
        limits = Limits(root=True)
        if visit.me.role < Role.ROOT:
            channels = await self._store.all_channels()
            limits = Limits(root=False, known=known_origins(kept.channel for kept in channels))
        said: dict[str, Any] = {name: getattr(visit.body, name) for name in Draft.__struct_fields__}
        draft = revised(NEW, ChannelEdit(name="draft", **said), limits)
        await self._hosts.check(draft.channel)
        return await self._offered(draft)

    async def _offered(self, kept: KeptChannel) -> Sequence[str]:
        try:
            return await offered_models(self._upstream, kept.channel, self._timeouts, key=first_key(kept))
        except (UpstreamFault, ValueError) as error:
            raise UpstreamFailed(f"The models are not known: {error}.", code="upstream_failed") from None

    async def _known(self) -> Mapping[str, Sequence[str]]:
        if self._catalog is None:
            return {}
        by_vendor = await self._catalog.models()
        named = {provider: by_vendor.get(_VENDORS.get(provider, provider), ()) for provider in CATALOG}
        return {provider: names for provider, names in named.items() if names}
