"""Settings come from the environment and from .env."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from pydantic import ValidationError
from sqlalchemy.engine import make_url

from workflow_engine.core import config
from workflow_engine.core.config import Settings, sqlalchemy_url

EXAMPLE = Path(__file__).parents[2] / ".env.example"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(Settings.model_config, "env_file", ".env")
    for name in list(os.environ):
        if name.lower() in Settings.model_fields:
            monkeypatch.delenv(name)


def test_without_any_setting_we_use_sqlite_and_listen_to_this_machine_only() -> None:
    settings = Settings()

    assert settings.grpc_host == "127.0.0.1"
    assert settings.sqlalchemy_url == f"sqlite:///{config.BACKEND / 'data' / 'workflow_engine.db'}"


def test_the_example_file_sets_what_the_readme_promises(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(EXAMPLE.read_text())

    settings = Settings()

    assert settings.sqlalchemy_url == "postgresql+psycopg://username:password@localhost:5432/workflow_engine"
    assert (settings.grpc_host, settings.grpc_port, settings.log_level) == ("0.0.0.0", 50051, "INFO")
    assert settings.database_echo is False
    assert settings.openai_api_key.get_secret_value() == "your-openai-api-key"
    assert settings.anthropic_api_key.get_secret_value() == "your-anthropic-api-key"
    assert settings.secret_key.get_secret_value() == "your-secret-key-here"


def test_the_example_file_names_every_setting_and_no_other() -> None:
    named = re.findall(r"^(?:# )?([A-Z0-9_]+)=", EXAMPLE.read_text(), re.MULTILINE)

    assert sorted(name.lower() for name in named) == sorted(Settings.model_fields)


@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
def test_both_readmes_explain_every_setting(readme: str) -> None:
    told = re.findall(r"`([A-Z][A-Z0-9_]+)", (config.BACKEND.parents[2] / readme).read_text())

    assert {name.upper() for name in Settings.model_fields} <= set(told)


def test_what_is_left_empty_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FILES_ROOT", "TLS_CERT_FILE", "TLS_KEY_FILE", "TLS_CLIENT_CA_FILE", "METRICS_PORT", "DATABASE_URL"):
        monkeypatch.setenv(name, "")

    assert (Settings().files_root, Settings().tls_client_ca_file, Settings().metrics_port) == (None, None, None)


def test_the_environment_comes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("GRPC_PORT=1111\nLOG_LEVEL=debug\n")
    monkeypatch.setenv("GRPC_PORT", "2222")
    monkeypatch.setenv("EGRESS_ALLOW", "10.1.0.0/16, db.local,")
    monkeypatch.setenv("EXECUTE_ALLOW", "/usr/bin/jq,/opt/tools/report")
    monkeypatch.setenv("MCP_SERVERS", '{"files": ["mcp-files", "/srv/files"]}')

    settings = Settings()

    assert (settings.grpc_port, settings.log_level) == (2222, "DEBUG")
    assert settings.egress_allow == ["10.1.0.0/16", "db.local"]
    assert settings.execute_allow == ["/usr/bin/jq", "/opt/tools/report"]
    assert settings.mcp_servers == {"files": ["mcp-files", "/srv/files"]}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GRPC_PORT", "70000"),
        ("LOG_LEVEL", "loud"),
        ("GRPC_MAX_MESSAGE_BYTES", "0"),
        ("DATABASE_URL", "mysql://localhost/engine"),
        ("MCP_SERVERS", "files"),
    ],
)
def test_a_setting_that_can_not_be_is_refused_by_name(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_any_spelling_of_postgresql_uses_our_driver_and_keeps_the_password(scheme: str) -> None:
    url = make_url(sqlalchemy_url(f"{scheme}://ada:p%40ss%25@db:5433/engine?sslmode=require", Path()))

    assert (url.drivername, url.password, url.port) == ("postgresql+psycopg", "p@ss%", 5433)
    assert url.query == {"sslmode": "require"}


def test_secrets_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://ada:hunter2@db/engine")
    monkeypatch.setenv("SECRET_KEY", "hunter2")
    monkeypatch.setenv("OPENAI_API_KEY", "hunter2")

    assert "hunter2" not in repr(Settings())


def test_an_installed_package_keeps_its_data_where_the_user_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "BACKEND", tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))

    assert Settings().data_dir == tmp_path / "share" / "workflow-engine"
