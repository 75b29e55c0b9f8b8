"""What everybody is told of a site."""

from __future__ import annotations

import pytest

from oneapi_asgi.admin.options import Options
from oneapi_asgi.admin.site import Site
from oneapi_asgi.desk.options import OPTIONS

from .rig import asked
from .test_options import Kept

FIELDS = """
version start_time email_verification github_oauth github_client_id lark_client_id system_name logo footer_html
wechat_qrcode wechat_login server_address turnstile_check turnstile_site_key top_up_link chat_link quota_per_unit
display_in_currency oidc oidc_client_id oidc_well_known oidc_authorization_endpoint oidc_token_endpoint
oidc_userinfo_endpoint
"""


def site(**values: str) -> Site:
    return Site(Options(Kept(**values)), version="1.2.3", started=1_000.9)


async def test_status() -> None:
    secrets = {name: "canary" for name, option in OPTIONS.items() if option.kind == "secret"}
    async with asked(site(OidcEnabled="true", SystemName="Mine", Footer="<b>", **secrets).routes()) as client:
        del client.headers["x-actor"]
        answer = await client.get("/status")
    said = answer.json()["data"]
    assert {*FIELDS.split()} <= {*said}
    assert (said["version"], said["start_time"], said["system_name"], said["footer_html"]) == (
        "1.2.3",
        1_000,
        "Mine",
        "<b>",
    )
    assert (said["oidc"], said["github_oauth"], said["quota_per_unit"]) == (True, False, 500_000)
    assert (said["payment_currency"], said["payment_price"], said["payment_maximum"]) == ("USD", "1", 1_000)
    assert "canary" not in answer.text


async def test_where_nothing_can_be_paid_there_is_no_currency() -> None:
    async with asked(site().routes()) as client:
        assert (await client.get("/status")).json()["data"]["payment_currency"] == ""


@pytest.mark.parametrize(
    ("path", "option"), [("/notice", "Notice"), ("/about", "About"), ("/home_page_content", "HomePageContent")]
)
async def test_texts_are_given_as_they_were_written_and_as_no_page(path: str, option: str) -> None:
    text = "<script>alert(1)</script>"
    async with asked(site(**{option: text}).routes()) as client:
        del client.headers["x-actor"]
        answer = await client.get(path)
    assert answer.json()["data"] == text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
