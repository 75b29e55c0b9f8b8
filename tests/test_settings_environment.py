from __future__ import annotations

from pathlib import Path

import pytest

from oneapi_asgi.settings import ChannelSettings, ServerSettings, Settings, SettingsError, find_config, load_settings


def test_variables_override_the_file(tmp_path: Path) -> None:
    path = tmp_path / "oneapi.toml"
    path.write_text('[server]\nport = 1\nhost = "a"\n[[channels]]\nname = "a"\napi_key = "k"\n')
    settings = load_settings(
        path,
        {
            "ONEAPI_SERVER__PORT": "8080",
            "ONEAPI_STORAGE__URL": "sqlite:///x.db",
            "ONEAPI_ROUTING__COOL_DOWN": "False",
            "ONEAPI_TIMEOUTS__IDLE": "1.5",
            "ONEAPI_PRICING__DEFAULT_INPUT": "0.15",
            "ONEAPI_ROUTING__EFFORT_SUFFIXES": "1",
            "ONEAPI_OUTBOUND__ALLOW": '["10.0.0.0/8"]',
            "ONEAPI_OUTBOUND__FETCH_HOSTS": '["*.a.test"]',
            "ONEAPI_CHANNELS": '[{"name": "b", "provider": "ollama", "weight": 2, "options": {"files": "no"}}]',
            "ONEAPI_PRICES": '[{"model": "m", "input": 0.1}]',
        },
    )
    assert settings.server == ServerSettings(host="a", port=8080)
    assert settings.storage.url.reveal() == "sqlite:///x.db"
    assert settings.routing.cool_down is False
    assert settings.routing.effort_suffixes is True
    assert settings.outbound.fetch_hosts == ("*.a.test",)
    assert settings.timeouts.idle == 1.5
    assert settings.pricing.default_input == 150_000_000
    assert settings.outbound.allow == ("10.0.0.0/8",)
    assert settings.channels == (ChannelSettings(name="b", provider="ollama", weight=2, options={"files": "no"}),)
    assert settings.prices[0].input == 100_000_000


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("ONEAPI_SERVER__PORT", "99999", "ONEAPI_SERVER__PORT = 99999: must be between 1 and 65535"),
        ("ONEAPI_SERVER__PORT", "tcp://x", 'ONEAPI_SERVER__PORT = "tcp://x": must be a whole number'),
        ("ONEAPI_SERVER__PORT", "x", 'ONEAPI_SERVER__PORT = "x": must be a whole number'),
        ("ONEAPI_SERVER__PROT", "1", 'ONEAPI_SERVER__PROT: no such setting; did you mean "ONEAPI_SERVER__PORT"?'),
        ("ONEAPI_PORT", "8080", "ONEAPI_PORT: no such setting"),
        ("ONEAPI_SERVER", "{}", "ONEAPI_SERVER: no such setting"),
        ("ONEAPI_OUTBOUND__ALLOW", "[1", "ONEAPI_OUTBOUND__ALLOW: is not JSON: Input data was truncated"),
        ("ONEAPI_OUTBOUND__ALLOW", '["x"]', 'ONEAPI_OUTBOUND__ALLOW[0] = "x": must be an address or a network'),
        ("ONEAPI_CHANNELS", '[{"name": 1}]', "ONEAPI_CHANNELS[0].name = 1: must be a text"),
        ("ONEAPI_CHANNELS", "sk-secret", "ONEAPI_CHANNELS: must be a list, in square brackets"),
    ],
)
def test_a_mistake_in_a_variable_names_the_variable(name: str, value: str, line: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(None, {name: value})
    [told] = caught.value.lines
    assert told.startswith(line)


def test_a_variable_into_a_broken_section_tells_of_the_section(tmp_path: Path) -> None:
    path = tmp_path / "oneapi.toml"
    path.write_text("server = 1")
    with pytest.raises(SettingsError, match=r"^server: must be a table$"):
        load_settings(path, {"ONEAPI_SERVER__PORT": "1"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ONEAPI_ROOT_PASSWORD", "x"),
        ("ONEAPI_CONFIG", "x.toml"),
        ("ONEAPI_ROOT", "/opt/intel/oneapi"),
        ("ONEAPI_DEVICE_SELECTOR", "cuda:*"),
        ("ONEAPI_PORT", "tcp://10.0.0.1:3000"),
        ("ONEAPI_SERVICE_HOST", "10.0.0.1"),
        ("ONEAPI_SERVICE_PORT_HTTP", "3000"),
        ("ONEAPI_PORT_3000_TCP_ADDR", "10.0.0.1"),
        ("ONEAPI_ASGI_SERVICE_PORT", "3000"),
        ("HOME", "/root"),
    ],
)
def test_variables_of_others_are_left_alone(name: str, value: str) -> None:
    assert load_settings(None, {name: value}) == Settings()


def test_the_file_is_the_named_one_or_the_usual_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_config({"ONEAPI_CONFIG": ""}) is None
    Path("oneapi.toml").touch()
    assert find_config({}) == Path("oneapi.toml")
    assert find_config({"ONEAPI_CONFIG": "x.toml"}) == Path("x.toml")
