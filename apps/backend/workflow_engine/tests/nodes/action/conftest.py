"""Real servers for nodes under test, each started when a test first asks for it, and ended with the test run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.nodes.action import servers


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


@pytest.fixture
def files_root(tmp_path: Path) -> Path:
    """A folder for nodes that work on files."""
    root = tmp_path / "files"
    root.mkdir()
    return root
