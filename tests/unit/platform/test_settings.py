from __future__ import annotations

from pathlib import Path

import pytest

from maskloom.platform.errors import SettingsError
from maskloom.platform.settings import Settings


@pytest.mark.parametrize(
    "url",
    [
        "mysql://reader:s3cret@db/lungs",
        "postgresql+asyncpg://reader:s3cret@db/lungs",
        "http://reader:s3cret@db",
        "reader:s3cret@db",
        "postgresql://reader:s3cret@db:port/lungs",
    ],
)
def test_a_database_that_cannot_serve_is_refused_without_its_password(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MASKLOOM_DATABASE_URL", url)
    with pytest.raises(SettingsError) as caught:
        Settings()
    assert "MASKLOOM_DATABASE_URL is not the URL of a PostgreSQL database" in str(caught.value)
    assert "postgresql://" in caught.value.hint
    assert "s3cret" not in repr(caught.value) + caught.value.hint


def test_settings_never_print_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASKLOOM_DATABASE_URL", "postgresql://reader:s3cret@db/lungs")
    settings = Settings()
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value().endswith("s3cret@db/lungs")
    assert "s3cret" not in repr(settings)


def test_objects_are_kept_below_the_home_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MASKLOOM_HOME", str(tmp_path))
    monkeypatch.delenv("MASKLOOM_OBJECTS_URL", raising=False)
    assert Settings().objects == (tmp_path / "objects").as_uri()
    monkeypatch.setenv("MASKLOOM_OBJECTS_URL", "s3://scans")
    assert Settings().objects == "s3://scans"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MASKLOOM_UPLOAD_SIZE", "much"),
        ("MASKLOOM_UPLOAD_FILES", "0"),
        ("MASKLOOM_IMPORT_SOURCES", "s3://bucket"),
        ("MASKLOOM_IMPORT_SOURCES", "ward=file:///etc"),
        ("MASKLOOM_IMPORT_SOURCES", "a/b=s3://bucket"),
        ("MASKLOOM_IMPORT_SOURCES", "ward=s3://name:s3cret@bucket"),
        ("MASKLOOM_BRIDGE_URL", "maskloom.example:8091"),
        ("MASKLOOM_BRIDGE_URL", "https://name:s3cret@maskloom.example"),
        ("MASKLOOM_BRIDGE_URL", "https://maskloom.example/?s3cret"),
        ("MASKLOOM_BRIDGE_NETWORK", "s3cret"),
        ("MASKLOOM_RAY_GPUS", "s3cret"),
        ("MASKLOOM_BRIDGE_LISTEN", "8091"),
        ("MASKLOOM_BRIDGE_LISTEN", "0.0.0.0:http"),
        ("MASKLOOM_BRIDGE_LISTEN", "0.0.0.0:80910"),
    ],
)
def test_a_value_that_cannot_serve_is_refused(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=variable) as caught:
        Settings()
    assert "s3cret" not in str(caught.value) + caught.value.hint


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"URL": "maskloom.example.org"}, "MASKLOOM_URL"),
        ({"URL": "https://example.org/maskloom"}, "MASKLOOM_URL"),
        ({"PROXIES": "10.0.0.7, nginx"}, "MASKLOOM_PROXIES"),
        ({"PROXIES": "*"}, "MASKLOOM_PROXIES"),
        ({"OIDC_ISSUER": "http://login.example.org"}, "MASKLOOM_OIDC_ISSUER"),
        ({"OIDC_ISSUER": "https://login.example.org"}, "MASKLOOM_OIDC_CLIENT_SECRET"),
    ],
)
def test_settings_for_people_that_cannot_be_are_refused(
    settings: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(f"MASKLOOM_{name}", value)
    with pytest.raises(SettingsError, match=said) as caught:
        Settings()
    assert caught.value.hint


def test_what_leads_may_import_from_and_upload(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "s3://bucket/prefix?endpoint=host:9000&secure=false"
    monkeypatch.setenv("MASKLOOM_IMPORT_SOURCES", f"ward={url}\n  archive=s3://other")
    monkeypatch.setenv("MASKLOOM_UPLOAD_SIZE", "3GiB")
    settings = Settings()
    assert settings.sources == {"ward": url, "archive": "s3://other"}
    assert settings.upload_size == 3 * 2**30
