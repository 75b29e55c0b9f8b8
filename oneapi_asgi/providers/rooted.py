"""Servers whose formats lie side by side below one root, which operators write with one of the segments or without."""

from __future__ import annotations

from msgspec import field

from .access import KeyAccess, Place, filled, joined

__all__ = ["RootAccess"]


class RootAccess(KeyAccess, frozen=True):
    """``roots`` are the paths of dialects below the root, "/v1" if not said; a base URL that ends with one of ``ends``
    means the root before it.

    http://gpu:8000 and http://gpu:8000/v1 are the same server, whatever is asked of it.
    """

    roots: dict[str, str] = field(default_factory=dict)
    ends: tuple[str, ...] = ("/v1",)

    def url(self, place: Place, key: str = "") -> str:  # noqa: ARG002
        base, mark, query = filled(place.base_url, place.options).partition("?")
        base = base.rstrip("/")
        root = next((base.removesuffix(end) for end in self.ends if base.endswith(end)), base)
        return joined(f"{root}{self.roots.get(place.dialect, '/v1')}{mark}{query}", "", place.path)
