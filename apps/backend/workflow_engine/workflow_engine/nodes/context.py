"""What a node's code may use of the world. Nodes get it handed in; they import no client of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from workflow_engine.core.redaction import Redactor
from workflow_engine.engine.items import BinaryRef, Items


class HttpResponse(Protocol):
    """A reply from a peer. `read` gives at most the client's size limit, and raises past it."""

    @property
    def status(self) -> int: ...
    @property
    def url(self) -> str: ...
    @property
    def headers(self) -> dict[str, str]:
        """Lower-case names; repeated headers are joined by a comma."""
        ...

    async def read(self) -> bytes: ...
    def stream(self) -> AsyncIterator[bytes]: ...
    async def close(self) -> None:
        """Lets the connection go; needed when the body is not read to its end."""
        ...


@dataclass(frozen=True, slots=True)
class Login:
    """A user and a password for a peer that asks a question which only who knows them can answer (RFC 7616)."""

    user: str
    """It holds no colon."""
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Certificates:
    """What a TLS peer is shown, and whom it may be vouched for by; PEM throughout, empty for none."""

    certificate: str = ""
    """Ours, and those between it and one that the peer trusts."""
    private_key: str = field(default="", repr=False)
    passphrase: str = field(default="", repr=False)
    """What opens the private key, if it is locked."""
    trusted: str = ""
    """Certificates to trust instead of the system's."""


class HttpClient(Protocol):
    """The one way out: checks every resolved address and every redirect before it connects."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: dict[str, str] | None = None,
        params: list[tuple[str, str]] | None = None,
        body: bytes | AsyncIterator[bytes] | None = None,
        timeout: float = 30.0,
        follow_redirects: bool = True,
        proxy: str | None = None,
        verify_tls: bool = True,
        quoted: bool = False,
        login: Login | None = None,
        certificates: Certificates | None = None,
    ) -> HttpResponse:
        """Sends one request. `timeout` in seconds; `quoted`: what the URL escapes stays escaped. Raises NodeFailure."""
        ...

    async def addresses(self, host: str, port: int) -> list[str]:
        """The checked addresses of a host, for protocols other than HTTP: connect to one of exactly these.

        Raises NodeFailure.
        """
        ...


class Blobs(Protocol):
    """Large bytes, stored once by content."""

    async def write(self, data: bytes | AsyncIterator[bytes], media_type: str, file_name: str = "") -> BinaryRef: ...
    def read(self, ref: BinaryRef) -> AsyncIterator[bytes]: ...


class Credentials(Protocol):
    async def get(self, id: str) -> dict[str, Any]:
        """All fields of a credential, its `type` and `allowed_hosts` among them.

        Give the latter to `nodes.credentials.check_host` before a secret goes anywhere. Raises NodeFailure when there
        is no such credential, or it can not be read.
        """
        ...

    async def renew(self, id: str, used: str) -> dict[str, Any] | None:
        """The same once the peer has refused its access token `used`; None when there is no other token to try.

        Raises NodeFailure.
        """
        ...


class Sandbox(Protocol):
    """Where user code runs: another process, without network, files and environment."""

    async def run(
        self,
        language: str,
        code: str,
        items: list[dict[str, Any]],
        *,
        each: bool,
        timeout: float,
        memory: int,
        inputs: dict[str, Any] | None = None,
    ) -> Any:
        """What the code returned, as plain JSON values; a list of one value for each item when `each` is set.

        `language` is `python`, `javascript` or `jinja` (the code is a template), `timeout` in seconds, `memory` in MiB;
        `inputs` are what code sees under that name. Raises NodeFailure.
        """
        ...


@dataclass(frozen=True, slots=True)
class ModelAccess:
    """How a provider of language models is reached."""

    key: str = field(default="", repr=False)
    base_url: str = ""
    """Where it is, unless it is where it usually is."""


@dataclass(frozen=True, slots=True)
class Models:
    """The language models that the operator lets everyone use."""

    default: str = ""
    """`provider:model`; empty when there is none."""
    access: Mapping[str, ModelAccess] = field(default_factory=dict[str, ModelAccess])
    """By provider."""


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file in a store."""

    path: str
    """Relative to the store's root, with `/` between folders."""
    size: int
    """Bytes."""
    modified: int
    """Epoch milliseconds."""


class Files(Protocol):
    """Files by path, relative to a root that no path leads out of. All methods raise NodeFailure."""

    async def read(self, path: str) -> AsyncIterator[bytes]: ...
    async def write(
        self, path: str, data: AsyncIterator[bytes], *, size: int, media_type: str, sha256: str, replace: bool
    ) -> None:
        """Puts the file there as a whole; folders are made. `sha256` in hex, empty when it is not known."""
        ...

    def entries(self, folder: str, *, recursive: bool) -> AsyncIterator[FileEntry]:
        """The files in `folder`, which may be empty for the root, by name; those of folders in it follow."""
        ...

    async def delete(self, path: str) -> bool:
        """False when there was no such file."""
        ...

    async def move(self, path: str, to: str, *, replace: bool) -> None: ...


class Folder(Files, Protocol):
    """Files in a folder of this machine."""

    def place(self, path: str) -> Path:
        """Where a file is or would be, for libraries that open files by name. Raises NodeFailure."""
        ...

    def folder(self, path: str) -> Path:
        """Where a folder is, for libraries that watch it. Raises NodeFailure."""
        ...


@dataclass(frozen=True, slots=True)
class Ending:
    """An execution that has ended. Times are epoch milliseconds."""

    execution_id: str
    workflow_id: str
    status: str
    """`SUCCESS`, `ERROR` or `CANCELED`."""
    started_at: int | None
    ended_at: int
    failure: str
    """Its message; empty when there was none."""


class Endings(Protocol):
    """Executions that have ended."""

    async def ended(self, watcher: str, workflow_ids: Sequence[str], since: int, limit: int) -> Sequence[Ending]:
        """Those of workflows that belong to the owner of workflow `watcher`, oldest first."""
        ...

    async def output(self, execution_id: str) -> Items:
        """The result of one of them."""
        ...

    def told(self) -> int:
        """Where the news stand; ask before you look, and give it to `news`."""
        ...

    async def news(self, since: int) -> None:
        """Returns when more may have ended than had then."""
        ...


class Commands(Protocol):
    """Programs of this machine that the operator has allowed."""

    async def run(self, command: str, arguments: list[str], *, stdin: bytes, timeout: float) -> CommandResult:
        """Runs one to its end, in an empty folder and without a shell. `timeout` in seconds. Raises NodeFailure."""
        ...


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a program ended."""

    status: int
    """Its exit status; negative for the signal that ended it."""
    stdout: bytes
    stderr: bytes


class Memories(Protocol):
    """What is remembered, by space; see nodes.memory.space. `limit` counts rows."""

    async def turns(self, space: str, limit: int) -> list[tuple[int, str, str]]:
        """The last turns of a conversation, oldest first: number, role, text."""
        ...

    async def add_turns(self, space: str, turns: Sequence[tuple[str, str]], key: str) -> None:
        """Adds (role, text), once for each `key`."""
        ...

    async def fold_turns(self, space: str, upto: int, summary: str) -> None:
        """Puts `summary` in the place of all turns up to number `upto`."""
        ...

    async def forget_turns(self, space: str) -> int: ...
    async def value(self, space: str, key: str) -> tuple[Any] | None:
        """The value, as a tuple of one; None when there is none."""
        ...

    async def values(self, space: str, prefix: str, limit: int) -> list[tuple[str, Any]]: ...
    async def put_value(self, space: str, key: str, value: Any) -> None: ...
    async def delete_value(self, space: str, key: str) -> bool: ...
    async def document(self, space: str, id: str) -> dict[str, Any] | None:
        """`id`, `text` and `details`."""
        ...

    async def documents(self, space: str, limit: int) -> list[dict[str, Any]]:
        """Without their text."""
        ...

    async def put_document(self, space: str, id: str, said: str, details: Mapping[str, Any]) -> None: ...
    async def delete_document(self, space: str, id: str) -> bool: ...
    async def put_passages(
        self, space: str, document: str, model: str, passages: Sequence[tuple[str, Mapping[str, Any], Sequence[float]]]
    ) -> None:
        """Replaces all passages of a document by these: text, details, vector of the named model."""
        ...

    async def delete_passages(self, space: str, document: str) -> int:
        """All of a document, or of the whole space when `document` is empty."""
        ...

    async def nearest(
        self, space: str, model: str, vector: Sequence[float], limit: int
    ) -> list[tuple[str, str, dict[str, Any], float]]:
        """The passages nearest to `vector`, nearest first: document, text, details, cosine similarity."""
        ...

    async def put_facts(self, space: str, facts: Sequence[tuple[str, str, str, Mapping[str, Any]]]) -> None:
        """Edges of a graph: subject, relation, object, details."""
        ...

    async def facts(
        self, space: str, *, subject: str = "", relation: str = "", object: str = "", about: str = "", limit: int
    ) -> list[tuple[str, str, str, dict[str, Any]]]:
        """Edges that fit all that is given; `about` is either end."""
        ...

    async def delete_facts(self, space: str, subject: str, relation: str, object: str) -> int: ...


class Embedder(Protocol):
    """A model on this machine that says where a text lies among all that can be said."""

    @property
    def model(self) -> str:
        """Its name: only vectors of one model can be compared."""
        ...

    async def embed(self, texts: Sequence[str], *, is_query: bool) -> list[list[float]]:
        """A vector of length one for each text. Raises NodeFailure."""
        ...


class Workflows(Protocol):
    """Published workflows, for nodes that run one and wait for it."""

    async def run(self, workflow_id: str, version: int, input: Items, *, key: str, timeout: float) -> Items:
        """What an execution of its own delivered; version 0 is the one that is live, `timeout` is in seconds.

        The same key starts nothing twice: it waits for the execution that the first call started. Raises NodeFailure.
        """
        ...


@dataclass(slots=True)
class Context:
    """The world as one attempt may see it."""

    execution_id: str
    workflow_id: str
    now: int
    """Epoch milliseconds when the attempt started."""
    depth: int = 0
    """How many executions stand above this one."""
    timezone: str = "UTC"
    user_id: str = ""
    """Who owns the execution; what is remembered is theirs."""
    http: HttpClient | None = None
    blobs: Blobs | None = None
    credentials: Credentials | None = None
    sandbox: Sandbox | None = None
    models: Models = field(default_factory=Models)
    memories: Memories | None = None
    embedder: Embedder | None = None
    files: Folder | None = None
    commands: Commands | None = None
    workflows: Workflows | None = None
    endings: Endings | None = None
    mcp_servers: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    """MCP servers that may be started on this machine: program and arguments by name."""
    handed_out: Redactor = field(default_factory=Redactor)
    """The secrets that this attempt was given; what it says when it fails is without them."""
    services: dict[str, Any] = field(default_factory=dict[str, Any])
    """Further services of the host, by name."""
