"""Every error that a caller can see, split by what the caller can do about it.

    GatewayError
    ├── RequestError            mend the request            4xx, never retried
    │   ├── BadRequest             400  what, where, how to mend it
    │   ├── Unauthenticated        401  no key, or not a valid one
    │   ├── Forbidden              403  a valid key that may not do this
    │   │   └── InsufficientQuota     403  the balance does not cover the call
    │   ├── NotFound               404  no such path or model
    │   ├── MethodNotAllowed       405
    │   ├── Conflict               409  it was carried out already, and cannot be answered again
    │   ├── BodyTooLarge           413
    │   ├── UnsupportedBody        415
    │   ├── Unprocessable          422  it contradicts an earlier request
    │   ├── HeadersTooLarge        431
    │   └── UpstreamRefused        4xx  the provider says what is wrong with it
    ├── TryLater                come back later             408, 409, 429 or 503, with Retry-After
    │   ├── BodyTimeout            408  the body did not arrive in time
    │   ├── InProgress             409  the same request is being carried out
    │   ├── RateLimited            429  the caller was too fast
    │   │   └── BudgetExceeded        429  the budget of this period is used up
    │   └── Unavailable            503  the gateway cannot serve this now
    │       └── NotStarted            503  the lifespan was never run
    └── UpstreamFailed          nothing the caller can mend  502 or 504
        └── UpstreamTimeout        504

Each carries what every client dialect needs to draw its own envelope: the status, a machine-readable ``code``,
OpenAI's ``type``, the parameter at fault, and when to come back. ``should_retry`` becomes ``x-should-retry``, which the
OpenAI and Anthropic SDKs obey. Messages are written for the caller; they never carry a secret or an upstream's prose.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "BadRequest",
    "BodyTimeout",
    "BodyTooLarge",
    "BudgetExceeded",
    "Conflict",
    "Forbidden",
    "GatewayError",
    "HeadersTooLarge",
    "InProgress",
    "InsufficientQuota",
    "MethodNotAllowed",
    "NotFound",
    "NotStarted",
    "RateLimited",
    "RequestError",
    "TryLater",
    "Unauthenticated",
    "Unavailable",
    "Unprocessable",
    "UnsupportedBody",
    "UpstreamFailed",
    "UpstreamRefused",
    "UpstreamTimeout",
]


class GatewayError(Exception):
    """A refusal: what happened, where, and how to mend it, independent of any dialect.

    ``retry_after`` is in seconds; ``headers`` are extra response headers such as ``allow``.
    """

    status: int = 500
    type: str = "server_error"
    default_code: ClassVar[str | None] = None
    should_retry: bool = False

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after: float | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.param = param
        self.retry_after = retry_after
        self.headers = headers


class RequestError(GatewayError):
    status = 400
    type = "invalid_request_error"


class BadRequest(RequestError):
    pass


class Unauthenticated(RequestError):
    status = 401
    default_code = "invalid_api_key"


class Forbidden(RequestError):
    status = 403
    default_code = "permission_denied"


class InsufficientQuota(Forbidden):
    """Not 429: waiting brings no money, and every SDK retries a 429."""

    type = "insufficient_quota"
    default_code = "insufficient_quota"


class NotFound(RequestError):
    status = 404
    default_code = "not_found"


class MethodNotAllowed(RequestError):
    status = 405
    default_code = "method_not_allowed"


class BodyTooLarge(RequestError):
    status = 413
    default_code = "request_too_large"


class UnsupportedBody(RequestError):
    status = 415
    default_code = "unsupported_media_type"


class Conflict(RequestError):
    """SDKs retry a 409 that does not tell them not to."""

    status = 409
    default_code = "conflict"


class Unprocessable(RequestError):
    status = 422
    default_code = "unprocessable"


class HeadersTooLarge(RequestError):
    status = 431
    default_code = "headers_too_large"


class UpstreamRefused(RequestError):
    """The provider's own complaint about the request, with its status, and its ``kind`` as ``type``; it is passed on,
    in the caller's envelope."""

    default_code = "upstream_refused"

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        code: str | None = None,
        kind: str | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(message, code=code, param=param)
        self.status = status
        self.type = kind or self.type


class TryLater(GatewayError):
    status = 503
    should_retry = True


class BodyTimeout(TryLater):
    status = 408
    type = "invalid_request_error"
    default_code = "request_timeout"


class InProgress(TryLater):
    status = 409
    type = "invalid_request_error"
    default_code = "in_progress"


class RateLimited(TryLater):
    status = 429
    type = "rate_limit_error"
    default_code = "rate_limit_exceeded"


class BudgetExceeded(RateLimited):
    default_code = "budget_exceeded"


class Unavailable(TryLater):
    default_code = "service_unavailable"


class NotStarted(Unavailable):
    """Starlette and FastAPI do not run the lifespan of a mounted app; the host has to."""

    default_code = "not_started"


class UpstreamFailed(GatewayError):
    status = 502
    type = "upstream_error"
    default_code = "upstream_error"
    should_retry = True


class UpstreamTimeout(UpstreamFailed):
    status = 504
    default_code = "upstream_timeout"
