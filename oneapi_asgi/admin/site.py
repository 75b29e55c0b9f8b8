"""What everybody may know of this site: its name, how one signs in, and the texts that root has written."""

from __future__ import annotations

import time

from msgspec import Struct

from ..desk.roles import Role
from .options import Options
from .routes import Nothing, Route, Visit

__all__ = ["Site", "Status"]

QUOTA_PER_DOLLAR = 500_000.0


class Status(Struct, frozen=True, kw_only=True):
    """One API's object. What is not offered here is empty, or false. ``payment_currency`` is what orders are paid in,
    and ``payment_price`` what a dollar costs in it."""

    version: str
    start_time: int
    email_verification: bool
    github_oauth: bool
    github_client_id: str
    lark_client_id: str = ""
    system_name: str
    logo: str
    footer_html: str
    wechat_qrcode: str = ""
    wechat_login: bool = False
    server_address: str
    turnstile_check: bool
    turnstile_site_key: str
    top_up_link: str
    chat_link: str
    payment_currency: str
    payment_price: str
    payment_minimum: int
    payment_maximum: int
    quota_per_unit: float = QUOTA_PER_DOLLAR
    display_in_currency: bool
    oidc: bool
    oidc_client_id: str
    oidc_well_known: str
    oidc_authorization_endpoint: str = ""
    oidc_token_endpoint: str = ""
    oidc_userinfo_endpoint: str = ""
    register_enabled: bool
    password_login: bool
    password_register: bool


class Site:
    """``version`` is the gateway's, and ``started`` when it did (Unix seconds)."""

    def __init__(self, options: Options, *, version: str, started: float | None = None) -> None:
        self._options = options
        self._version = version
        self._started = int(time.time() if started is None else started)

    def routes(self) -> tuple[Route, ...]:
        texts = (
            ("/notice", self.notice, "What is told to everybody"),
            ("/about", self.about, "The page about this site, as it was written"),
            ("/home_page_content", self.home, "The first page, as it was written"),
        )
        return (
            Route("GET", "/status", self.status, role=Role.GUEST, summary="What this site offers", data=Status),
            *[Route("GET", path, give, role=Role.GUEST, summary=says, data=str) for path, give, says in texts],
        )

    async def status(self, visit: Visit[Nothing, Nothing]) -> Status:  # noqa: ARG002
        values = await self._options.all()

        def on(name: str) -> bool:
            return values[name] == "true"

        return Status(
            version=self._version,
            start_time=self._started,
            email_verification=on("EmailVerificationEnabled"),
            github_oauth=on("GitHubOAuthEnabled"),
            github_client_id=values["GitHubClientId"],
            system_name=values["SystemName"],
            logo=values["Logo"],
            footer_html=values["Footer"],
            server_address=values["ServerAddress"],
            turnstile_check=on("TurnstileCheckEnabled"),
            turnstile_site_key=values["TurnstileSiteKey"],
            top_up_link=values["TopUpLink"],
            chat_link=values["ChatLink"],
            payment_currency=values["PaymentCurrency"] if values["PaymentWebhookSecret"] else "",
            payment_price=values["PaymentPrice"],
            payment_minimum=int(values["PaymentMinimum"]),
            payment_maximum=int(values["PaymentMaximum"]),
            display_in_currency=on("DisplayInCurrencyEnabled"),
            oidc=on("OidcEnabled"),
            oidc_client_id=values["OidcClientId"],
            oidc_well_known=values["OidcWellKnown"],
            register_enabled=on("RegisterEnabled"),
            password_login=on("PasswordLoginEnabled"),
            password_register=on("PasswordRegisterEnabled"),
        )

    async def notice(self, visit: Visit[Nothing, Nothing]) -> str:  # noqa: ARG002
        return await self._options.text("Notice")

    async def about(self, visit: Visit[Nothing, Nothing]) -> str:  # noqa: ARG002
        return await self._options.text("About")

    async def home(self, visit: Visit[Nothing, Nothing]) -> str:  # noqa: ARG002
        return await self._options.text("HomePageContent")
