"""Kinds of credentials: what each one holds, and which of its fields are secret.

A kind is a Pydantic model. Its secret fields are SecretStr, which the JSON Schema shows as `writeOnly`; an optional one
is empty when it is not set. A new kind is one class and its place in KINDS.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from workflow_engine.nodes.providers import PROVIDERS, ClientAuth, Provider, ProviderName
from workflow_engine.nodes.spec import NodeFailure

_HEADER = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"
_URL = r"^https?://[^\s]+$"


@dataclass(frozen=True, slots=True)
class Probe:
    """How to find out whether a credential is let in: a node that uses it and changes nothing."""

    node_type: str
    slot: str
    parameters: dict[str, Any]


class CredentialKind(BaseModel):
    """Base of all kinds. An unknown field is refused: it would be kept in the clear."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, hide_input_in_errors=True, str_max_length=100_000
    )
    type: ClassVar[str]
    title: ClassVar[str]
    """For people."""
    is_oauth: ClassVar[bool] = False

    @classmethod
    def secret_names(cls) -> frozenset[str]:
        """Names of the secret fields."""
        return frozenset(name for name, field in cls.model_fields.items() if field.annotation is SecretStr)

    def probe(self) -> Probe | None:
        """How to try it; None when there is nothing to try it on."""
        return None


class _Http(CredentialKind):
    test_url: str = Field(default="", pattern=rf"^$|{_URL}", max_length=2000)
    """A page that only those who are let in can GET; TestCredential asks for it."""

    def probe(self) -> Probe | None:
        return Probe("action.http_request", "auth", {"url": self.test_url}) if self.test_url else None


class HttpBasic(_Http):
    """User name and password, as RFC 7617 has them."""

    type = "http_basic"
    title = "User and password"
    username: str = Field(max_length=1000, pattern=r"^[^:]*$")
    """The user; it can hold no colon."""
    password: SecretStr
    """The password."""


class HttpDigest(HttpBasic):
    """User name and password for a peer that asks for them by Digest (RFC 7616), so that they are never sent."""

    type = "http_digest"
    title = "User and password, by Digest"


class HttpBearer(_Http):
    """A token in the header Authorization, as RFC 6750 has it."""

    type = "http_bearer"
    title = "Bearer token"
    token: SecretStr = Field(min_length=1)
    """The token, without `Bearer`."""


class HttpHeader(_Http):
    """A secret in a header of any name."""

    type = "http_header"
    title = "Header"
    name: str = Field(pattern=_HEADER, max_length=200)
    """The header, for example `X-Api-Key`."""
    value: SecretStr = Field(min_length=1)
    """What it says."""


class HttpQuery(_Http):
    """A secret in the query. Prefer a header where the peer offers one: servers log what they are asked for."""

    type = "http_query"
    title = "Query parameter"
    name: str = Field(min_length=1, max_length=200)
    """The parameter, for example `key`."""
    value: SecretStr = Field(min_length=1)
    """What it says."""


class Custom(BaseModel):
    """What a custom credential puts into a request."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
    headers: dict[Annotated[str, Field(pattern=_HEADER)], Annotated[str, Field(pattern=r"^[^\r\n\x00]*$")]] = {}
    query: dict[str, str] = {}
    body: dict[str, JsonValue] = {}

    @classmethod
    def of(cls, text: str) -> Custom:
        """Raises ValueError that quotes nothing of it."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            part = f"{first['loc'][0]}: " if first["loc"] and first["loc"][0] in cls.model_fields else ""
            raise ValueError(
                f"{part}it has to be JSON with headers, query and body, of which the first two map names to texts"
            ) from None


class HttpCustom(_Http):
    """Secrets in several places of a request at once."""

    type = "http_custom"
    title = "Headers, query and body"
    request: SecretStr = Field(min_length=2, max_length=100_000)
    """JSON, such as `{"headers": {"X-Key": "..."}, "query": {"user": "..."}, "body": {"pin": "..."}}`; what it names is
    put into each request. A body has to be JSON or a form."""

    @field_validator("request")
    @classmethod
    def _is_a_request(cls, value: SecretStr) -> SecretStr:
        Custom.of(value.get_secret_value())
        return value


class TlsCertificate(CredentialKind):
    """Certificates for TLS: one of our own for peers that ask for it (mTLS), and whom to trust.

    Either may be left out.
    """

    type = "tls_certificate"
    title = "TLS certificate"
    certificate: str = Field(default="", max_length=100_000)
    """Ours in PEM, followed by those between it and one that the peer trusts."""
    private_key: SecretStr = Field(default=SecretStr(""), max_length=100_000)
    """The certificate's key, in PEM."""
    passphrase: SecretStr = SecretStr("")
    """What opens the private key, if it is locked."""
    ca_certificate: str = Field(default="", max_length=100_000)
    """Certificates to trust instead of the system's, in PEM."""

    @model_validator(mode="after")
    def _belong_together(self) -> TlsCertificate:
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
        from cryptography.x509 import load_pem_x509_certificates

        key, passphrase = self.private_key.get_secret_value(), self.passphrase.get_secret_value()
        if bool(self.certificate) != bool(key):
            raise ValueError("certificate and private_key go together")
        try:
            trusted = load_pem_x509_certificates(self.ca_certificate.encode()) if self.ca_certificate else []
            ours = load_pem_x509_certificates(self.certificate.encode()) if self.certificate else []
        except ValueError:
            raise ValueError("a certificate is no PEM; paste all of it, from BEGIN to END") from None
        if not trusted and not ours:
            raise ValueError("give a certificate of ours, or one to trust")
        if ours:
            try:
                private = load_pem_private_key(key.encode(), passphrase.encode() or None)
            except (ValueError, TypeError):
                raise ValueError("private_key can not be read: it is no PEM, or passphrase does not open it") from None
            if private.public_key() != ours[0].public_key():
                raise ValueError("private_key is not the key of the first certificate")
        return self


class OAuth2(_Http):
    """Access that a person granted, or that a client was given.

    Name a provider that we know, or give the two addresses. StartOAuth begins a grant; the tokens are renewed by
    themselves.
    """

    type = "oauth2"
    title = "OAuth 2.0"
    is_oauth = True
    provider: ProviderName = ""
    """A provider whose addresses and customs are known; what is filled in below wins over them."""
    grant: Literal["authorization_code", "client_credentials"] = "authorization_code"
    """Whether a person grants access, or the client has it for itself."""
    client_id: str = Field(default="", max_length=1000)
    """Who we are to the peer."""
    client_secret: SecretStr = SecretStr("")
    """What proves it; clients without one use PKCE alone."""
    authorization_url: str = Field(default="", pattern=rf"^$|{_URL}", max_length=2000)
    """Where a person grants access."""
    token_url: str = Field(default="", pattern=rf"^$|{_URL}", max_length=2000)
    """Where codes and refresh tokens are exchanged for access tokens."""
    scopes: list[str] = Field(default=[], max_length=100)
    """What to ask for."""
    client_auth: ClientAuth | Literal[""] = ""
    """How the client proves who it is; by default as the provider wants it, else in the request's body."""
    access_token: SecretStr = SecretStr("")
    """Sent as a bearer token."""
    refresh_token: SecretStr = SecretStr("")
    """Buys the next access token."""
    base_url: str = Field(default="", pattern=rf"^$|{_URL}", max_length=2000)
    """Where the service's API is, for node types that know a usual address."""

    def probe(self) -> Probe | None:
        type, operation = PROVIDERS[self.provider].tried_by if self.provider else ("", "")
        if self.test_url or not type:
            return super().probe()
        return Probe(type, "auth", {"action": {"operation": operation}})

    def endpoints(self) -> Provider:
        """Where and how this client gets its tokens."""
        known = PROVIDERS.get(self.provider, Provider("", ""))
        auth: ClientAuth = known.client_auth if self.client_secret.get_secret_value() else "none"
        return replace(
            known,
            authorization_url=self.authorization_url or known.authorization_url,
            token_url=self.token_url or known.token_url,
            scopes=tuple(self.scopes) or known.scopes,
            client_auth=self.client_auth or auth,
        )


class CryptoKey(CredentialKind):
    """A key to sign with or to check signatures by."""

    type = "crypto_key"
    title = "Signing key"
    key: SecretStr = Field(min_length=1, max_length=100_000)
    """A shared secret, or a key in PEM."""


class ApiKey(CredentialKind):
    """A key of a service whose node types know where to send it, such as a language model's."""

    type = "api_key"
    title = "API key"
    api_key: SecretStr = Field(min_length=1)
    """The key."""
    base_url: str = Field(default="", pattern=rf"^$|{_URL}", max_length=2000)
    """Where the service is, unless it is where it usually is."""


class Postgres(CredentialKind):
    """A PostgreSQL database and who we are there."""

    type = "postgres"
    title = "PostgreSQL"
    host: str = Field(pattern=r"^[A-Za-z0-9.:_-]+$", max_length=255)
    """One host, without port."""
    port: int = Field(default=5432, ge=1, le=65535)
    """Where it listens."""
    database: str = Field(default="", max_length=255)
    """The database; one of the user's name when empty."""
    user: str = Field(min_length=1, max_length=255)
    """The user."""
    password: SecretStr = SecretStr("")
    """The password."""
    sslmode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] = "require"
    """How far the connection is encrypted and the server's certificate is checked."""

    def probe(self) -> Probe | None:
        return Probe("action.postgres", "database", {"sql": "SELECT 1 AS let_in"})


class _Server(CredentialKind):
    """Where a server is that speaks a protocol of its own."""

    host: str = Field(pattern=r"^[A-Za-z0-9.:_-]+$", max_length=255)
    """One host, without port."""


class _TlsServer(_Server):
    tls: Literal["verify", "encrypt", "off"] = "verify"
    """`verify` also checks the server's certificate, `encrypt` takes any, `off` sends everything in the clear."""
    ca_certificate: str = Field(default="", max_length=100_000)
    """Certificates to trust instead of the system's, in PEM."""


class MySql(_TlsServer):
    """A MySQL or MariaDB database and who we are there."""

    type = "mysql"
    title = "MySQL or MariaDB"
    port: int = Field(default=3306, ge=1, le=65535)
    """Where it listens."""
    database: str = Field(default="", max_length=255)
    """The database that names without one belong to."""
    user: str = Field(min_length=1, max_length=255)
    """The user."""
    password: SecretStr = SecretStr("")
    """The password."""

    def probe(self) -> Probe | None:
        return Probe("action.database", "database", {"sql": "SELECT 1 AS let_in"})


class Sqlite(CredentialKind):
    """An SQLite database in the folder that the operator set aside for files (FILES_ROOT)."""

    type = "sqlite"
    title = "SQLite"
    path: str = Field(pattern=r"^[^/\x00][^\x00]*$", max_length=1000)
    """Its file, relative to that folder."""

    def probe(self) -> Probe | None:
        return Probe("action.database", "database", {"sql": "SELECT 1 AS let_in"})


class Redis(_TlsServer):
    """A Redis or Valkey server and who we are there."""

    type = "redis"
    title = "Redis"
    port: int = Field(default=6379, ge=1, le=65535)
    """Where it listens."""
    database: int = Field(default=0, ge=0, le=1000)
    """The number of the database."""
    user: str = Field(default="", max_length=255)
    """The user, where the server has any."""
    password: SecretStr = SecretStr("")
    """The password."""

    def probe(self) -> Probe | None:
        return Probe("action.redis", "server", {"command": "PING"})


class Amqp(_TlsServer):
    """An AMQP 0-9-1 broker such as RabbitMQ, and who we are there."""

    type = "amqp"
    title = "AMQP (RabbitMQ)"
    port: int = Field(default=5671, ge=1, le=65535)
    """Where it listens; without TLS usually 5672."""
    virtual_host: str = Field(default="/", max_length=255)
    """The broker's part that is ours."""
    user: str = Field(default="", max_length=255)
    """The user."""
    password: SecretStr = SecretStr("")
    """The password."""


class Mqtt(_TlsServer):
    """An MQTT broker and who we are there."""

    type = "mqtt"
    title = "MQTT"
    port: int = Field(default=8883, ge=1, le=65535)
    """Where it listens; without TLS usually 1883."""
    user: str = Field(default="", max_length=255)
    """The user, where the broker asks for one."""
    password: SecretStr = SecretStr("")
    """The password."""


class Nats(_TlsServer):
    """A NATS server and who we are there: a user with a password, or a token."""

    type = "nats"
    title = "NATS"
    port: int = Field(default=4222, ge=1, le=65535)
    """Where it listens."""
    user: str = Field(default="", max_length=255)
    """The user."""
    password: SecretStr = SecretStr("")
    """The password."""
    token: SecretStr = SecretStr("")
    """The token, where the server knows no users."""


class Kafka(_TlsServer):
    """A Kafka cluster, by one of its brokers, and who we are there."""

    type = "kafka"
    title = "Kafka"
    port: int = Field(default=9092, ge=1, le=65535)
    """Where the broker listens."""
    mechanism: Literal["none", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "none"
    """How we say who we are."""
    user: str = Field(default="", max_length=255)
    """The user."""
    password: SecretStr = SecretStr("")
    """The password."""


class Ssh(_Server):
    """A machine with an SSH server, and who we are there: a password, a private key, or both."""

    type = "ssh"
    title = "SSH"
    port: int = Field(default=22, ge=1, le=65535)
    """Where it listens."""
    user: str = Field(min_length=1, max_length=255)
    """The user."""
    host_key: str = Field(min_length=1, max_length=10_000)
    """The server's public key, as `ssh-keyscan` prints it; a server with another one is refused."""
    password: SecretStr = SecretStr("")
    """The password."""
    private_key: SecretStr = Field(default=SecretStr(""), max_length=100_000)
    """A key in OpenSSH's format or PEM."""
    passphrase: SecretStr = SecretStr("")
    """What opens the private key, if it is locked."""

    @field_validator("host_key")
    @classmethod
    def _is_a_key(cls, value: str) -> str:
        """`ssh-keyscan` writes the host in front, which says nothing that `host` does not."""
        key = re.search(r"(?:ssh-|ecdsa-|sk-)\S+ [A-Za-z0-9+/=]+", value)
        if not key:
            raise ValueError("give a line of `ssh-keyscan HOST`, such as `ssh-ed25519 AAAAC3...`")
        return key[0]


class Ftp(_TlsServer):
    """An FTP server, and who we are there."""

    type = "ftp"
    title = "FTP server"
    port: int = Field(default=21, ge=1, le=65535)
    """Where it listens; 21, or 990 for implicit TLS."""
    user: str = Field(default="anonymous", max_length=255)
    """The user."""
    password: SecretStr = SecretStr("")
    """The password."""
    mode: Literal["explicit", "implicit"] = "explicit"
    """Whether TLS begins when we ask for it, as most servers have it, or with the connection."""

    def probe(self) -> Probe | None:
        return Probe("action.ftp", "server", {"do": {"operation": "list"}})


class S3(CredentialKind):
    """A bucket of Amazon S3, or of a store that speaks its protocol."""

    type = "s3"
    title = "S3 bucket"
    bucket: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{1,62}$")
    """The bucket."""
    region: str = Field(default="us-east-1", pattern=r"^[a-z0-9-]+$", max_length=50)
    """Where it is."""
    endpoint: str = Field(default="", pattern=rf"^$|{_URL}", max_length=2000)
    """The store, unless it is Amazon's."""
    access_key_id: str = Field(min_length=1, max_length=255)
    """Who we are."""
    secret_access_key: SecretStr = Field(min_length=1)
    """What proves it."""
    session_token: SecretStr = SecretStr("")
    """For temporary access."""

    def probe(self) -> Probe | None:
        return Probe("action.file", "s3", {"do": {"operation": "list", "limit": 1}, "store": "s3"})


KINDS: dict[str, type[CredentialKind]] = {
    kind.type: kind
    for kind in (
        HttpBasic,
        HttpDigest,
        HttpBearer,
        HttpHeader,
        HttpQuery,
        HttpCustom,
        TlsCertificate,
        OAuth2,
        CryptoKey,
        ApiKey,
        Postgres,
        MySql,
        Sqlite,
        Redis,
        Amqp,
        Mqtt,
        Nats,
        Kafka,
        Ssh,
        Ftp,
        S3,
    )
}


@dataclass(frozen=True, slots=True)
class System:
    """Something that node types connect to; they are found by the credentials that they take."""

    id: str
    name: str
    summary: str
    kinds: tuple[str, ...]
    documentation_url: str = ""
    node_types: tuple[str, ...] = ()
    """The node types for it; by default all that take one of its kinds."""


SYSTEMS = (
    System("ai_model", "AI model provider", "A language model behind a key.", ("api_key",)),
    System("crypto", "Signing keys", "Keys to sign with and to check signatures by.", ("crypto_key",)),
    System(
        "http",
        "HTTP API",
        "Anything that speaks HTTP.",
        (
            "http_basic",
            "http_digest",
            "http_bearer",
            "http_header",
            "http_query",
            "http_custom",
            "oauth2",
            "tls_certificate",
        ),
        "https://www.rfc-editor.org/rfc/rfc9110",
    ),
    System("amqp", "AMQP", "A message broker such as RabbitMQ.", ("amqp",), "https://www.rabbitmq.com/docs"),
    System("ftp", "FTP", "A server for files.", ("ftp",), "https://www.rfc-editor.org/rfc/rfc959"),
    System("kafka", "Kafka", "A log of messages.", ("kafka",), "https://kafka.apache.org/documentation/"),
    System("mail", "Mail", "A mailbox, or a server that sends mail.", ("smtp", "imap")),
    System("mqtt", "MQTT", "A broker for messages of devices.", ("mqtt",), "https://mqtt.org/mqtt-specification/"),
    System("mysql", "MySQL or MariaDB", "A database.", ("mysql",), "https://mariadb.com/kb/en/"),
    System("nats", "NATS", "A message broker.", ("nats",), "https://docs.nats.io/"),
    System("postgres", "PostgreSQL", "A database.", ("postgres",), "https://www.postgresql.org/docs/current/"),
    System("redis", "Redis", "A store of values by key.", ("redis",), "https://redis.io/docs/latest/commands/"),
    System("s3", "S3", "A store of files.", ("s3",), "https://docs.aws.amazon.com/s3/"),
    System("sqlite", "SQLite", "A database in a file.", ("sqlite",), "https://www.sqlite.org/lang.html"),
    System("ssh", "SSH", "A machine to run commands on.", ("ssh",), "https://www.openssh.com/manual.html"),
)


def check_host(secret: dict[str, Any], host: str, field: str = "") -> None:
    """Raises NodeFailure CREDENTIAL_REFUSED when the credential is not meant for `host`.

    Every node calls it before it sends a secret anywhere; `field` is the parameter that names the host.
    """
    hosts: list[str] = secret.get("allowed_hosts") or []
    host = host.lower().rstrip(".")
    if hosts and not any(_is_for(host, each.lower()) for each in hosts):
        raise NodeFailure(
            "CREDENTIAL_REFUSED",
            f"the credential may only go to {', '.join(hosts)}, not to {host}",
            field=field,
            hint="correct the host, or add it to the credential",
        )


def _is_for(host: str, allowed: str) -> bool:
    return host.endswith(allowed[1:]) if allowed.startswith("*.") else host == allowed
