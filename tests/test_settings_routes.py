"""How calls are routed, as it is set."""

from __future__ import annotations

from pathlib import Path

import pytest

from oneapi_asgi.app import create_gateway
from oneapi_asgi.models import Channel
from oneapi_asgi.planning import Route, RoutePlanner
from oneapi_asgi.providers.catalog import cost_factor, mistaken_options
from oneapi_asgi.settings import RouteSettings, SettingsError, load_settings

ROUTES = """
[routing]
strategy = "latency"

[[routes]]
models = ["gpt-5*"]
groups = ["vip"]
strategy = "sticky"
fallbacks = ["gpt-4o", "large[1m]"]
tiers = ["vip", "default"]

[[routes]]
fallbacks = ["small"]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "oneapi.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_route_settings_have_every_part_of_a_route() -> None:
    assert set(RouteSettings.__struct_fields__) == set(Route.__struct_fields__)
    assert RouteSettings().route("weighted") == Route()


def test_routes_are_read_and_used(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, '[storage]\nurl = "memory:"\n' + ROUTES), {})
    planner = create_gateway(settings)._planner
    assert isinstance(planner, RoutePlanner)
    assert planner._routes == (
        Route(
            models=("gpt-5*",),
            groups=("vip",),
            strategy="sticky",
            fallbacks=("gpt-4o", "large[1m]"),
            tiers=("vip", "default"),
        ),
    )
    assert planner._usual == Route(strategy="latency", fallbacks=("small",))  # what stands behind it has no turn


def test_routes_are_read_from_a_variable(tmp_path: Path) -> None:
    environ = {
        "ONEAPI_ROUTES": '[{"models": ["m"], "fallbacks": ["n"]}]',
        "ONEAPI_ROUTING__STRATEGY": "cheapest",
    }
    settings = load_settings(written(tmp_path, ROUTES), environ)
    assert settings.routing.strategy == "cheapest"
    assert settings.routes == (RouteSettings(models=("m",), fallbacks=("n",)),)


STRATEGIES = '"weighted", "round_robin", "least_in_flight", "latency", "cheapest", "sticky"'


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('[routing]\nstrategy = "random"', f'routing.strategy = "random": must be one of {STRATEGIES}'),
        ("[routes]\nmodels = []", "routes: must be a list of tables: write [[routes]] before each, not [routes]"),
        ("[[routes]]\nmodels = []", "routes[0].models: must not be empty"),
        ('[[routes]]\nmodels = "m"', "routes[0].models: must be a list, in square brackets"),
        ('[[routes]]\nmodel = ["m"]', 'routes[0].model: unknown key; did you mean "models"?'),
        ("[[routes]]\nstrategy = 1", f"routes[0].strategy = 1: must be one of {STRATEGIES}"),
        (
            '[[routes]]\nfallbacks = ["gpt-*"]',
            'routes[0].fallbacks[0] = "gpt-*": must be one name, without * and ?',
        ),
        ('[[routes]]\ntiers = ["v?p"]', 'routes[0].tiers[0] = "v?p": must be one name, without * and ?'),
        (
            '[[routes]]\ntiers = ["a", "b", "a"]',
            'routes[0].tiers[2] = "a": the same as routes[0].tiers[0]',
        ),
        (
            '[[routes]]\nstrategy = "latency"\n[[routes]]\nmodels = ["m"]',
            "routes[1]: is never used: routes[0] holds for all models and groups. Move that one to the end",
        ),
    ],
)
def test_mistakes_are_told_with_their_cure(tmp_path: Path, text: str, line: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings(written(tmp_path, text), {})
    assert refused.value.lines == (line,)


@pytest.mark.parametrize(
    ("said", "factor"),
    [(None, 1.0), ("1", 1.0), (" 0.8 ", 0.8), ("12.25", 12.25), ("0", 0.0)]
    + [(wrong, None) for wrong in ("", "-1", "1e3", "nan", "inf", "0,8", ".5", "٣", "1" * 9)],
)
def test_what_a_channel_costs_of_a_price(said: str | None, factor: float | None) -> None:
    channel = Channel(id=1, name="c", options={} if said is None else {"cost_factor": said})
    assert cost_factor(channel) == factor
    mistakes = [] if factor is not None else [("cost_factor", "must be a number such as 0.8")]
    assert list(mistaken_options(channel)) == mistakes
