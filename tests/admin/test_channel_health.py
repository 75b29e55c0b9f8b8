"""How the channels stand, for administrators: summed up over keys and models, and nothing where no gateway runs."""

from __future__ import annotations

from collections.abc import Sequence

from oneapi_asgi.admin.channel_health import ChannelHealth
from oneapi_asgi.desk.roles import Role
from oneapi_asgi.standing import ChannelStanding, KeyStanding, ModelStanding

from .rig import as_, asked


class Stood:
    def __init__(self, *keys: KeyStanding) -> None:
        self.keys = keys

    async def standings(self) -> Sequence[ChannelStanding]:
        return (
            ChannelStanding(id=3, name="first", enabled=True, disabled_because="", in_flight=4, keys=self.keys),
            ChannelStanding(
                id=5, name="second", enabled=False, disabled_because="401", in_flight=0, keys=(KeyStanding(key=0),)
            ),
        )


async def test_a_channel_is_as_fit_as_its_fittest_key() -> None:
    cool = ModelStanding(model="m", state="cooling", cause="rate", wait=5.5, in_flight=1, latency=0.25)
    out = KeyStanding(key=0, state="out", cause="auth", wait=20.0, failures=3, ejections=1, models=(cool,))
    fit = ModelStanding(model="n", state="fit", in_flight=3)
    health = ChannelHealth()
    async with asked(health.routes()) as client:
        health.observe(Stood(out, KeyStanding(key=1, models=(cool, fit))))
        first, second = (await client.get("/channel/health")).json()["data"]
        assert (first["state"], first["worst"], first["wait"]) == ("fit", "out", 0.0)
        assert (first["failures"], first["in_flight"]) == (3, 4)
        assert first["keys"][0] == {
            "key": 0, "state": "out", "cause": "auth", "wait": 20.0, "failures": 3, "ejections": 1,
            "models": [
                {"model": "m", "state": "cooling", "cause": "rate", "wait": 5.5, "failures": 0, "ejections": 0,
                 "in_flight": 1, "latency": 0.25},
            ],
        }  # fmt: skip
        assert (second["enabled"], second["disabled_because"], second["state"]) == (False, "401", "fit")
        health.observe(Stood(out, KeyStanding(key=1, models=(cool,))))
        first, _ = (await client.get("/channel/health")).json()["data"]
        assert (first["state"], first["worst"], first["wait"]) == ("cooling", "out", 5.5)


async def test_who_may_and_where_there_is_one() -> None:
    async with asked(ChannelHealth().routes()) as client:
        answer = await client.get("/channel/health")
        assert (answer.status_code, answer.json()["code"]) == (503, "no_gateway")
        answer = await client.get("/channel/health", headers=as_(Role.COMMON))
        assert answer.json()["code"] == "role_too_low"
