"""Requests that a foreign page has a browser make: refused where the browser's cookie would vouch for them.

A browser says where a request comes from (``Sec-Fetch-Site``, ``Origin``); a form or an image cannot send JSON. Whoever
sends an access token instead needs none of this, as no page has it.

No GET changes anything, but One API has a few that do, which its pages and scripts for it still send. These are taken
as the POST that they should be, where nobody else can have made the caller send it; from all others they are refused.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.types import Scope

from ..errors import Forbidden

__all__ = ["check_origin", "is_meant"]

_OWN = frozenset(("same-origin", "none"))


def check_origin(scope: Scope) -> None:
    """
    :raises Forbidden: the request comes from another site, as far as its browser tells
    """
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    site = headers.get(b"sec-fetch-site")
    if site is not None and site not in _OWN:
        raise _forged()
    origin = headers.get(b"origin")
    if origin is not None and urlsplit(origin).netloc.lower() != headers.get(b"host", "").lower():
        raise _forged()


def _forged() -> Forbidden:
    return Forbidden(
        "The request comes from a page of another site. Make it from this site's own pages, or send an access token as "
        "'Authorization: …' and no cookie.",
        code="cross_site_request",
    )


def is_meant(scope: Scope) -> bool:
    """Whether a GET was sent on purpose: by a script of a page of this site, which no link, image, form or other site
    is (Fetch Metadata, section 2), or with an access token."""
    headers = dict(scope["headers"])
    if b"authorization" in headers:
        return True
    by_script = headers.get(b"sec-fetch-mode") in (b"cors", b"same-origin") and (
        headers.get(b"sec-fetch-dest") == b"empty"
    )
    return by_script and headers.get(b"sec-fetch-site") == b"same-origin"
