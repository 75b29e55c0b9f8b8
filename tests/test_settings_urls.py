"""URLs of storages: what is one, and that no password in one is ever shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneapi_asgi.settings import Settings, SettingsError, load_settings

STORAGES = '"sqlite:///PATH", "postgresql://USER:PASSWORD@HOST/DATABASE", "mysql://…" or "memory:" (forgets all)'
REDISES = '"redis://HOST:6379/0", "rediss://…" (encrypted) or "unix://PATH"'
MALFORMED = 'is no URL; in a user name or a password write "@" as %40, "/" as %2F, ":" as %3A, "%" as %25'


def load(key: str, url: str, **environ: str) -> Settings:
    return load_settings(None, {f"ONEAPI_STORAGE__{key.upper()}": url, **environ})


@pytest.mark.parametrize(
    ("url", "scheme"),
    [
        ("memory:", "memory"),
        ("sqlite:///oneapi.db", "sqlite"),
        ("sqlite:////var/lib/one api/ä.db", "sqlite"),
        ("postgresql://db/oneapi", "postgresql"),
        ("postgres://me:p%40ss%2Fword@db.example:5433/oneapi?ssl=require", "postgres"),
        ("postgresql+asyncpg://me@[::1]:5432/oneapi", "postgresql"),
        ("mysql://root@127.0.0.1:3306/oneapi", "mysql"),
        ("mariadb://root:x@127.0.0.1/oneapi", "mariadb"),
    ],
)
def test_what_a_storage_can_be(url: str, scheme: str) -> None:
    storage = load("url", url).storage
    assert (storage.url.reveal(), storage.url.scheme, storage.in_memory) == (url, scheme, scheme == "memory")


@pytest.mark.parametrize(
    "url", ["redis://127.0.0.1", "redis://:pw@127.0.0.1:6380/3", "rediss://me:pw@cache.example/", "unix:///run/r.sock"]
)
def test_what_a_redis_can_be(url: str) -> None:
    redis = load("redis", url).storage.redis
    assert redis is not None
    assert redis.reveal() == url


@pytest.mark.parametrize(
    ("key", "url", "told"),
    [
        ("url", "oneapi.db", f": must be {STORAGES}"),
        ("url", "sqlite://oneapi.db", f' = "sqlite://oneapi.db": must be {STORAGES}'),
        ("url", "sqlite:///", f' = "sqlite:///": must be {STORAGES}'),
        ("url", "sqlite:///:memory:", f' = "sqlite:///:memory:": must be {STORAGES}'),
        ("url", "oracle://me:hunter2@db/x", f": must be {STORAGES}"),
        ("url", "postgresql://me:hunter2@db", ": names no database: postgresql://USER:PASSWORD@HOST/DATABASE"),
        ("url", "mysql://me:hunter2@db/?x=1", ": names no database: mysql://USER:PASSWORD@HOST/DATABASE"),
        ("url", "postgresql://me:hunt/er2@db/x", f": {MALFORMED}"),
        ("url", "postgresql://me:hunt@er2@db/x", f": {MALFORMED}"),
        ("url", "postgresql://me:hunt er2@db/x", f": {MALFORMED}"),
        ("url", "postgresql://me:[hunter2@db/x", f": {MALFORMED}"),
        ("url", "postgresql:///x?host=db&password=hunter2", f": {MALFORMED}"),
        ("redis", "hunter2", f": must be {REDISES}"),
        ("redis", "redis://:hunt/er2@127.0.0.1", f": {MALFORMED}"),
        ("redis", "redis://:hunter2@127.0.0.1:x/0", f": {MALFORMED}"),
        ("redis", "redis://:hunter2@127.0.0.1/one", ": must end in the number of a database, such as /0"),
        ("redis", "unix://", f": must be {REDISES}"),
        ("redis", "redis://:hunt er2@127.0.0.1", f": {MALFORMED}"),
    ],
)
def test_a_mistake_shows_no_password(key: str, url: str, told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(key, url)
    assert str(caught.value) == f"ONEAPI_STORAGE__{key.upper()}{told}"


def test_a_url_may_be_somewhere_else(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql://me:hunter2@db/x\n")
    path = tmp_path / "oneapi.toml"
    path.write_text('[storage]\nurl = "file:url"\nredis = "env:CACHE"\n')
    settings = load_settings(path, {"CACHE": "redis://:hunter2@127.0.0.1"})
    assert settings.storage.url.reveal() == "postgresql://me:hunter2@db/x"
    assert settings.storage.redis is not None
    assert settings.storage.redis.reveal() == "redis://:hunter2@127.0.0.1"
    with pytest.raises(SettingsError) as caught:
        load_settings(path, {"CACHE": "http://:hunter2@127.0.0.1"})
    assert str(caught.value) == f'storage.redis = "env:CACHE": what is there must be {REDISES}'
    with pytest.raises(SettingsError, match=r'^storage.redis = "env:CACHE": the environment variable is not set$'):
        load_settings(path, {})


@given(
    st.sampled_from(["url", "redis"]),
    st.sampled_from(["postgresql", "mysql+asyncmy", "redis", "rediss", "http", "x"]),
    st.text(min_size=1, max_size=8).filter(lambda text: "\0" not in text),
    st.sampled_from(["", "/", "/0", "/x", "/x?y=1#z"]),
)
def test_nothing_that_is_shown_holds_a_password(key: str, scheme: str, odd: str, path: str) -> None:
    password = f"hunter{odd}2hunter"
    try:
        shown = repr(load(key, f"{scheme}://me:{password}@127.0.0.1{path}"))
    except SettingsError as error:
        shown = str(error)
    assert "hunter" not in shown
