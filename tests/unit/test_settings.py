from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from base.errors import ConfigurationError
from base.settings import Settings, load


def read(
    directory: Path, toml: str = "", /, environ: dict[str, str] | None = None, **flags: object
) -> Settings:
    (directory / "ensue.toml").write_text(toml)
    return load(directory, environ=environ or {}, flags=flags)


def refusal(
    directory: Path, toml: str = "", /, environ: dict[str, str] | None = None, **flags: object
) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        read(directory, toml, environ, **flags)
    return caught.value


def test_without_a_file_everything_has_a_default(tmp_path: Path) -> None:
    settings = load(tmp_path, environ={})
    assert (settings.host, settings.port) == ("127.0.0.1", 3678)
    assert settings.database == str(tmp_path / ".ensue" / "ensue.db")
    assert settings.retention.events == timedelta(days=30)
    assert settings.limits.event_size == 1024 * 1024


def test_flags_go_before_variables_before_the_file(tmp_path: Path) -> None:
    toml = "port = 1\nhost = 'localhost'\n[retention]\nevents = '1d'\nruns = '1d'\nlogs = '1d'"
    environ = {"ENSUE_RETENTION_EVENTS": "2d", "ENSUE_RETENTION_RUNS": "2d", "ENSUE_PORT": "2"}
    settings = load(
        _with(tmp_path, toml), environ=environ, flags={"retention.events": "3d", "port": None}
    )
    assert settings.retention.events == timedelta(days=3)
    assert settings.retention.runs == timedelta(days=2)
    assert settings.retention.logs == timedelta(days=1)
    assert settings.port == 2
    assert settings.host == "localhost"


def _with(directory: Path, toml: str) -> Path:
    (directory / "ensue.toml").write_text(toml)
    return directory


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("90s", timedelta(seconds=90)),
        ("1h30m", timedelta(minutes=90)),
        ("60", timedelta(minutes=1)),
    ],
)
def test_durations_are_read_from_words_and_seconds(
    tmp_path: Path, text: str, span: timedelta
) -> None:
    assert (
        read(tmp_path, environ={"ENSUE_RULES_ALLOWED_LATENESS": text}).rules.allowed_lateness
        == span
    )


@pytest.mark.parametrize(("text", "size"), [("512KiB", 524_288), ("1MB", 1_000_000), ("77", 77)])
def test_sizes_are_read_with_and_without_a_unit(tmp_path: Path, text: str, size: int) -> None:
    assert read(tmp_path, f"[limits]\nevent_size = '{text}'").limits.event_size == size


def test_an_unknown_key_is_told_with_its_line_and_the_likely_name(tmp_path: Path) -> None:
    error = refusal(tmp_path, "port = 1\n\n[retention]\nevent = '1d'\n")
    assert error.code == "setting_unknown"
    assert error.place == f"{tmp_path}/ensue.toml:4"
    assert error.hint == "did you mean `events`?"


def test_an_unknown_table_is_told_too(tmp_path: Path) -> None:
    error = refusal(tmp_path, "[retentions]\nevents = '1d'\n")
    assert error.hint == "did you mean `retention`?"
    assert error.place == f"{tmp_path}/ensue.toml:1"


def test_a_wrong_value_names_the_line_of_the_file(tmp_path: Path) -> None:
    error = refusal(tmp_path, "host = 'localhost'\nport = 99999\n")
    assert error.place == f"{tmp_path}/ensue.toml:2"
    assert "65535" in error.message
    assert "99999" in error.message


def test_a_wrong_value_names_the_variable(tmp_path: Path) -> None:
    error = refusal(tmp_path, "port = 1", {"ENSUE_PORT": "many"})
    assert error.place == "ENSUE_PORT"


def test_a_wrong_value_names_the_flag(tmp_path: Path) -> None:
    assert refusal(tmp_path, "port = 1", {"ENSUE_PORT": "2"}, port="x").place == "--port"


@pytest.mark.parametrize("value", ["'-5'", "'soon'", "true", "[]", "'0s'", "-1"])
def test_a_duration_that_is_none_is_refused(tmp_path: Path, value: str) -> None:
    error = refusal(tmp_path, f"[retention]\nruns = {value}\n")
    assert error.place == f"{tmp_path}/ensue.toml:2"


def test_a_table_that_is_not_a_table_is_refused(tmp_path: Path) -> None:
    error = refusal(tmp_path, "limits = 3\n")
    assert error.message.startswith("limits:")


def test_broken_toml_is_told_with_line_and_column(tmp_path: Path) -> None:
    error = refusal(tmp_path, "port = \n")
    assert error.code == "settings_unreadable"
    assert (error.place or "").startswith(f"{tmp_path}/ensue.toml:1:")


def test_a_misspelt_variable_is_refused_and_a_foreign_one_left_alone(tmp_path: Path) -> None:
    error = refusal(tmp_path, environ={"ENSUE_RETENTION_EVENT": "1d"})
    assert (error.place, error.hint) == (
        "ENSUE_RETENTION_EVENT",
        "did you mean `ENSUE_RETENTION_EVENTS`?",
    )
    read(tmp_path, environ={"ENSUE_SHOP_SECRET": "x", "ENSUE_API_URL": "http://x"})


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "ensue.example", "10.0.0.1"])
def test_an_address_others_can_reach_is_refused_unless_insecure_is_said(
    tmp_path: Path, host: str
) -> None:
    error = refusal(tmp_path, f"host = '{host}'")
    assert error.code == "address_insecure"
    assert "--insecure" in (error.hint or "")
    assert read(tmp_path, f"host = '{host}'", insecure=True).host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.8.8"])
def test_loopback_needs_no_leave(tmp_path: Path, host: str) -> None:
    assert read(tmp_path, host=host).loopback


def test_a_lease_must_outlast_its_heartbeats(tmp_path: Path) -> None:
    error = refusal(tmp_path, "[runs]\nlease = '10s'\nheartbeat = '8s'\n")
    assert error.place == f"{tmp_path}/ensue.toml:3"


def test_vars_are_free(tmp_path: Path) -> None:
    toml = "[vars]\nport = 3\n[vars.teams]\nhosts = ['a']\n"
    assert read(tmp_path, toml).vars == {"port": 3, "teams": {"hosts": ["a"]}}


def test_proxies_are_networks_and_a_variable_lists_them_with_commas(tmp_path: Path) -> None:
    settings = read(tmp_path, environ={"ENSUE_TRUSTED_PROXIES": "10.0.0.0/8, ::1"})
    assert settings.trusted_proxies == ("10.0.0.0/8", "::1/128")
    assert refusal(tmp_path, "trusted_proxies = ['proxy']").code == "setting_invalid"


def test_a_directory_that_is_not_there_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path / "none", environ={})
    assert "ensue init" in (caught.value.hint or "")


def test_settings_do_not_change(tmp_path: Path) -> None:
    settings = load(tmp_path, environ={})
    with pytest.raises(ValueError, match="frozen"):
        settings.port = 1  # type: ignore[misc]  # what is tested
