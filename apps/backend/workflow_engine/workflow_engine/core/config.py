"""Settings, from the environment, or a `.env` file in the working directory or the checkout's own folder."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

BACKEND = Path(__file__).resolve().parents[2]
"""The project's folder, when we run from a checkout."""


ENV_FILES = (BACKEND / ".env", Path(".env"))
"""Where settings are read from besides the environment; what the second says goes before the first. The checkout's own
is read wherever a command is started, so that all of them find the same database."""


def default_data_dir() -> Path:
    """`data/` of a checkout; where the system keeps a user's data for an installed package."""
    if (BACKEND / "pyproject.toml").is_file():
        return BACKEND / "data"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "workflow-engine"


class Settings(BaseSettings):
    """Everything that can be set. Names are those of the environment variables, in lower case."""

    model_config = SettingsConfigDict(env_file=ENV_FILES, extra="ignore", use_attribute_docstrings=True)

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
    metrics_host: str = "127.0.0.1"
    """Address for Prometheus."""
    metrics_port: int | None = Field(default=None, ge=0, le=65535)
    """Port for Prometheus, which asks for /metrics there; none by default. It tells numbers only, and asks no key."""
    slow_attempt_seconds: float = Field(default=60, ge=0)
    """An attempt that takes so long is logged as `slow_attempt`; 0 for never."""
    slow_execution_seconds: float = Field(default=0, ge=0)
    """An execution that takes so long, what it waited for included, is logged as `slow_execution`; 0 for never."""
    data_dir: Path = Field(default_factory=default_data_dir)
    """Where SQLite and binary data live."""
    admin_email: str = ""
    """With `admin_password`: makes this admin when the server starts and has no users."""
    admin_password: SecretStr = SecretStr("")
    session_hours: float = Field(default=168, gt=0)
    """How long somebody stays signed in."""
    rate_limit: float = Field(default=100, ge=0)
    """Calls a second for each user, once there are users; twice as many at once. 0 for any number."""
    oidc_issuer: str = Field(default="", pattern=r"^$|^https?://[^\s]+$")
    """URL of an OpenID Connect issuer whose tokens are taken, for example `https://login.example.com/realms/main`."""
    oidc_client_id: str = ""
    """As the issuer knows this server."""
    oidc_client_secret: SecretStr = SecretStr("")
    """For signing in with a browser; empty for a public client."""
    oidc_audience: str = ""
    """What tokens must be meant for; `oidc_client_id` when empty."""
    oidc_roles_claim: str = "roles"
    """Where a token tells roles (viewer, editor, operator, admin), for example `realm_access.roles`."""
    oidc_default_role: Literal["viewer", "editor", "operator", "admin"] = "viewer"
    """What somebody may do whose first token tells no roles."""
    audit_days: int = Field(default=365, ge=1)
    """How long the audit log goes back."""
    tls_cert_file: Path | None = None
    """Certificate chain (PEM) for gRPC and HTTP; both speak TLS when it is set."""
    tls_key_file: Path | None = None
    """Its private key (PEM)."""
    tls_client_ca_file: Path | None = None
    """Authorities (PEM) of which gRPC's clients must have a certificate."""
    trusted_proxies: Annotated[list[str], NoDecode] = []
    """Addresses of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed, comma-separated."""
    allow_unauthenticated: bool = False
    """Serve a network address without authentication; only where something else protects the port."""
    egress_allow: Annotated[list[str], NoDecode] = []
    """Private hosts and networks that nodes may reach, comma-separated: `10.1.0.0/16,db.local`."""
    files_root: Path | None = None
    """The folder that `action.file` and SQLite databases of workflows live in; none when not set."""
    execute_allow: Annotated[list[str], NoDecode] = []
    """Programs that `action.execute` may run, comma-separated: `/usr/bin/jq,/opt/tools/report`."""
    blobs_url: str = Field(default="", pattern=r"^$|^s3://[^/\s]+(/[^\s]*)?$")
    """Where binary data and large events live: `s3://bucket/prefix`. Empty for a folder in `data_dir`."""
    blobs_endpoint: str = Field(default="", pattern=r"^$|^https?://\S+$")
    """Address of an S3-compatible store: `https://minio.example.com:9000`. Empty for Amazon's."""
    blobs_region: str = ""
    blobs_access_key: str = ""
    """Empty to use what the AWS tools would: the environment, ~/.aws, the machine's role."""
    blobs_secret_key: SecretStr = SecretStr("")
    mcp_servers: Annotated[dict[str, list[str]], NoDecode] = {}
    """MCP servers that tool.mcp may start on this machine, as JSON: `{"files": ["mcp-files", "/srv/files"]}`. They run
    as the engine's own user, with none of its settings."""
    retention_max_age_days: float = Field(default=90, ge=0, le=3650)
    """Days that executions are kept after their end, unless their workflow says otherwise; 0 for ever."""
    retention_max_count: int = Field(default=0, ge=0)
    """How many ended executions of each workflow are kept, unless it says otherwise; 0 for any number."""
    queue_limit: int = Field(default=100_000, ge=1)
    """How many executions may wait for their turn before new ones are refused."""

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("egress_allow", "execute_allow", "cors_origins", "trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("tls_cert_file", "tls_key_file", "tls_client_ca_file", "files_root", "metrics_port", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        # `NAME=` in a .env file or a compose.yaml; an empty path would be the working directory.
        return None if value == "" else value

    @field_validator("mcp_servers", mode="before")
    @classmethod
    def _from_json(cls, value: object) -> object:
        try:
            return json.loads(value) if isinstance(value, str) else value
        except ValueError as error:
            raise ValueError(f'is no JSON ({error}); {{"files": ["mcp-files", "/srv/files"]}} is') from None

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: str) -> str:
        if value and not value.startswith(("postgresql://", "postgres://", "postgresql+psycopg://", "sqlite:///")):
            raise ValueError("is none of postgresql://user:password@host:5432/name and sqlite:////path/to/file.db")
        return value

    @model_validator(mode="after")
    def _temporal_needs_postgresql(self) -> Settings:
        if self.engine_runtime == "temporal" and not self.sqlalchemy_url.startswith("postgresql"):
            raise ValueError("ENGINE_RUNTIME=temporal needs DATABASE_URL=postgresql://...: many processes share it")
        return self

    @field_validator("public_url")
    @classmethod
    def _no_slash(cls, value: str) -> str:
        return value.rstrip("/")

    @model_validator(mode="after")
    def _whole(self) -> Settings:
        if self.oidc_issuer and not (self.oidc_audience or self.oidc_client_id):
            raise ValueError("OIDC_ISSUER needs OIDC_CLIENT_ID or OIDC_AUDIENCE: tokens for others are not for us")
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("TLS_CERT_FILE and TLS_KEY_FILE go together")
        return self

    @property
    def names_first_admin(self) -> bool:
        return bool(self.admin_email and self.admin_password.get_secret_value())

    @property
    def secret_keys(self) -> tuple[str, list[str]]:
        """The current SECRET_KEY and the former ones, for core.secrets.Keyring."""
        old = (each.strip() for each in self.secret_keys_old.get_secret_value().split(","))
        return self.secret_key.get_secret_value(), [each for each in old if each]

    @property
    def sqlalchemy_url(self) -> str:
        """The database, as SQLAlchemy names it."""
        return sqlalchemy_url(self.database_url, self.data_dir)


def wrong(error: ValidationError) -> list[str]:
    """Each setting that is wrong: `NAME: what is wrong with it`, as the environment names it."""
    told = (
        (".".join(map(str, each["loc"])).upper(), each["msg"].removeprefix("Value error, ")) for each in error.errors()
    )
    return [f"{name}: {message}" if name else message for name, message in told]


def sqlalchemy_url(url: str, data_dir: Path) -> str:
    """`url` with the driver that we use; SQLite in `data_dir` when it is empty."""
    if not url:
        return f"sqlite:///{data_dir.resolve() / 'workflow_engine.db'}"
    for prefix in ("postgresql://", "postgres://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url.removeprefix(prefix)
    return url
