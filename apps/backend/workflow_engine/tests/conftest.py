"""What every test may ask for: fresh databases, SQLite and a real PostgreSQL, at the newest migration."""

from __future__ import annotations

import os

# Tests start many processes from many threads; gRPC's handlers around a fork have crashed the child before it began.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from argon2 import PasswordHasher
from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, make_url

from tests import seen
from tests.nodes.action import servers
from tests.postgres_server import postgres_server as running_postgres
from tests.temporal_server import temporal_server
from workflow_engine.models.migrate import upgrade
from workflow_engine.nodes.registry import installed
from workflow_engine.services.access import passwords

# An example may take its time on a busy machine.
hypothesis.settings.register_profile("patient", hypothesis.settings(), deadline=None)
hypothesis.settings.load_profile("patient")

_numbers = itertools.count(1)


def _render(url: URL) -> str:
    return url.render_as_string(hide_password=False)


@pytest.fixture(scope="session", autouse=True)
def cheap_passwords() -> Iterator[None]:
    """What people wait for at a sign-in, hundreds of tests need not. Server processes hash as ever."""
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_hasher", cheap)
        patch.setattr(passwords, "_NOBODY", cheap.hash("nobody"))
        yield


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[URL]:
    """A PostgreSQL of this test run's own; its database `template` is at the newest migration."""
    with running_postgres() as server:
        url = make_url(server.uri).set(drivername="postgresql+psycopg")
        _administer(url, "CREATE DATABASE template")
        upgrade(_render(url.set(database="template")))
        yield url


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    upgrade(f"sqlite:///{path}")
    return path


def _administer(server: URL, statement: str) -> None:
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


@pytest.fixture
def empty_postgres_url(postgres_server: URL) -> Iterator[str]:
    """A fresh PostgreSQL database without tables."""
    name = f"test_{next(_numbers)}"
    _administer(postgres_server, f"CREATE DATABASE {name}")
    yield _render(postgres_server.set(database=name))
    _administer(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def postgres_url(postgres_server: URL) -> Iterator[str]:
    """A fresh PostgreSQL database with our tables."""
    name = f"test_{next(_numbers)}"
    _administer(postgres_server, f"CREATE DATABASE {name} TEMPLATE template")
    yield _render(postgres_server.set(database=name))
    _administer(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def sqlite_url(_sqlite_template: Path, tmp_path: Path) -> str:
    """A fresh SQLite database with our tables."""
    path = tmp_path / "test.db"
    shutil.copy(_sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(scope="session")
def temporal_address() -> Iterator[str]:
    """A real Temporal server of this test run's own."""
    with temporal_server() as address:
        yield address


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Runs a test once on each kind of database."""
    return str(request.getfixturevalue(f"{request.param}_url"))


# Other servers, each started when a test first asks for it, and ended with the test run.


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A Valkey, as a credential's fields."""
    with servers.valkey(tmp_path_factory.mktemp("valkey")) as credential:
        yield credential


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A NATS server with JetStream."""
    with servers.nats(tmp_path_factory.mktemp("nats")) as credential:
        yield credential


@pytest.fixture(scope="session")
def mqtt_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A Mosquitto that asks for a password."""
    with servers.mosquitto(tmp_path_factory.mktemp("mqtt")) as credential:
        yield credential


@pytest.fixture(scope="session")
def amqp_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A RabbitMQ."""
    with servers.rabbitmq(tmp_path_factory.mktemp("amqp")) as credential:
        yield credential


@pytest.fixture(scope="session")
def kafka_server() -> Iterator[dict[str, Any]]:
    """A broker that speaks Kafka's protocol."""
    with servers.kafka() as credential:
        yield credential


@pytest.fixture(scope="session")
def mysql_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A MariaDB with a database `shop`."""
    with servers.mariadb(tmp_path_factory.mktemp("mariadb")) as credential:
        yield credential


@pytest.fixture(scope="session")
def s3_server() -> Iterator[dict[str, Any]]:
    """A store that speaks S3's protocol, with a bucket `files`."""
    with servers.s3() as credential:
        yield credential


# What the whole run has seen of each node type.


def pytest_configure() -> None:
    seen.begin()


@pytest.fixture(scope="session", autouse=True)
def _seen() -> Iterator[None]:
    seen.watch()
    yield
    seen.write_down()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Where no server is missing, a run of all tests fails if there is a node type that it has not shown at work."""
    config = session.config
    is_part = config.option.keyword or config.option.markexpr or config.args != config.getini("testpaths")
    if hasattr(config, "workerinput") or is_part or exitstatus != 0 or not os.environ.get("CI"):
        return
    if missing := seen.lacking(installed(), seen.all_notes()):
        config.pluginmanager.get_plugin("terminalreporter").write_line("\n" + "\n".join(missing))
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
