"""Settings, from the environment or a `.env` file in the working directory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

BACKEND = Path(__file__).resolve().parents[2]
"""The project's folder, when we run from a checkout."""


def default_data_dir() -> Path:
    """`data/` of a checkout; where the system keeps a user's data for an installed package."""
    if (BACKEND / "pyproject.toml").is_file():
        return BACKEND / "data"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "workflow-engine"


class Settings(BaseSettings):
    """Everything that can be set. Names are those of the environment variables, in lower case."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", use_attribute_docstrings=True)

    database_url: str = Field(default="", repr=False)
    """`postgresql://user:password@host:5432/name`. Empty for SQLite in `data_dir`."""
    database_echo: bool = False
    """Log every SQL statement."""
    grpc_host: str = "127.0.0.1"
    """Address to listen on. Anything but loopback needs authentication, or `allow_unauthenticated`."""
    grpc_port: int = Field(default=50051, ge=0, le=65535)
    """Port to listen on; 0 for any free one."""
    grpc_max_message_bytes: int = Field(default=16 * 1024 * 1024, ge=4096)
    """Largest request and response."""
    http_host: str = "127.0.0.1"
    """Address for HTTP: REST, webhooks, forms and the editor. The same rule holds for it."""
    http_port: int = Field(default=8080, ge=0, le=65535)
    """Port for HTTP; 0 for any free one."""
    public_url: str = Field(default="", pattern=r"^$|^https?://[^\s/]+(/[^\s?#]*)?$")
    """Where people and other systems reach `http_port`, for links in mails and webhooks' addresses; `http_host` and
    `http_port` when empty."""
    http_max_body_bytes: int = Field(default=16 * 1024 * 1024, ge=4096)
    """Largest body of an HTTP request."""
    cors_origins: Annotated[list[str], NoDecode] = []
    """Origins whose pages may call the REST gateway from a browser, comma-separated: `https://app.example.com`."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    secret_key: SecretStr = SecretStr("")
    """Encrypts stored credentials: 32 random characters or more, from `workflow-engine keys generate`."""
    secret_keys_old: SecretStr = SecretStr("")
    """Former values of `secret_key`, comma-separated: they open credentials until `workflow-engine keys rotate`."""
    ai_model: str = ""
    """The language model that is used where nothing else is said, as `provider:model`: `openai:gpt-5.6-luna`,
    `anthropic:claude-sonnet-5-5`, `google:gemini-3.8-flash`, `openai_compatible:qwen3`. When empty, a usual one of the
    first provider that has a key."""
    openai_api_key: SecretStr = SecretStr("")
    openai_base_url: str = ""
    """Where OpenAI's API is; its usual place when empty."""
    anthropic_api_key: SecretStr = SecretStr("")
    anthropic_base_url: str = ""
    google_api_key: SecretStr = SecretStr("")
    google_base_url: str = ""
    openai_compatible_base_url: str = ""
    """A server that speaks OpenAI's chat API, such as Ollama (`http://localhost:11434/v1`) or vLLM. A private address
    needs its place in EGRESS_ALLOW."""
    openai_compatible_api_key: SecretStr = SecretStr("")
    """Its key, if it wants one."""
    engine_runtime: Literal["local", "temporal"] = "local"
    """What carries out executions: this process, or workers on Temporal, which takes a PostgreSQL database."""
    temporal_address: str = "127.0.0.1:7233"
    """Where the Temporal server is."""
    temporal_namespace: str = "default"
    """Temporal's namespace for our executions."""
    temporal_task_queue: str = Field(default="workflow-engine", min_length=1)
    """Servers and workers with the same task queue belong together."""
    temporal_tls: bool = False
    """Speak TLS to Temporal."""
    temporal_api_key: SecretStr = SecretStr("")
    """For a Temporal server that asks for one."""
    worker_build_id: str = ""
    """The release that a worker runs, for Temporal's worker versioning; empty to do without."""
    worker_max_attempts: int = Field(default=200, ge=1)
    """Attempts that one worker has under way at once."""
    data_dir: Path = Field(default_factory=default_data_dir)
    """Where SQLite and binary data live."""
    allow_unauthenticated: bool = False
    """Serve a network address without authentication; only where something else protects the port."""
    egress_allow: Annotated[list[str], NoDecode] = []
    """Private hosts and networks that nodes may reach, comma-separated: `10.1.0.0/16,db.local`."""
    files_root: Path | None = None
    """The folder that `action.file` and SQLite databases of workflows live in; none when not set."""
    execute_allow: Annotated[list[str], NoDecode] = []
    """Programs that `action.execute` may run, comma-separated: `/usr/bin/jq,/opt/tools/report`."""
    queue_limit: int = Field(default=100_000, ge=1)
    """How many executions may wait for their turn before new ones are refused."""

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("egress_allow", "cors_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _temporal_needs_postgresql(self) -> Settings:
        if self.engine_runtime == "temporal" and not self.sqlalchemy_url.startswith("postgresql"):
            raise ValueError("ENGINE_RUNTIME=temporal needs DATABASE_URL=postgresql://...: many processes share it")
        return self

    @field_validator("public_url")
    @classmethod
    def _no_slash(cls, value: str) -> str:
        return value.rstrip("/")

    @property
    def secret_keys(self) -> tuple[str, list[str]]:
        """The current SECRET_KEY and the former ones, for core.secrets.Keyring."""
        old = (each.strip() for each in self.secret_keys_old.get_secret_value().split(","))
        return self.secret_key.get_secret_value(), [each for each in old if each]

    @property
    def sqlalchemy_url(self) -> str:
        """The database, as SQLAlchemy names it."""
        return sqlalchemy_url(self.database_url, self.data_dir)


def sqlalchemy_url(url: str, data_dir: Path) -> str:
    """`url` with the driver that we use; SQLite in `data_dir` when it is empty."""
    if not url:
        return f"sqlite:///{data_dir.resolve() / 'workflow_engine.db'}"
    for prefix in ("postgresql://", "postgres://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url.removeprefix(prefix)
    return url
