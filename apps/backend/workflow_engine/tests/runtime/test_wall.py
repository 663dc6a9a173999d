"""The walls behind an interpreter's own: what a program of full rights finds when it has broken out of that one."""

from __future__ import annotations

import asyncio
import os
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from tests.nodes.action.servers import program
from workflow_engine.runtime.sandbox import process, wall


@pytest.fixture(autouse=True)
def _bubblewrap() -> None:
    """These tests are about a machine that has it."""
    program("bwrap", "bubblewrap")
    if wall.bubblewrap() is None:
        pytest.skip("this system lets us make no namespaces")


async def broken_out(code: str, folder: Path, timeout: float = 10) -> process.Ended:
    """What becomes of a Python program with everything that Python can do."""
    command = [sys.executable, "-I", "-c", textwrap.dedent(code)]
    readable = (Path(sys.base_prefix), Path(sys.prefix))
    walled = await asyncio.to_thread(wall.walled, command, folder, readable, {})
    assert walled[0].endswith("bwrap")
    return await process.run(
        walled, stdin=b"", folder=folder, environment={}, data_kib=1 << 20, timeout=timeout, stdout_bytes=1 << 20
    )


async def test_an_ordinary_program_runs(tmp_path: Path) -> None:
    ended = await broken_out("print('fine')", tmp_path)
    assert (ended.status, ended.stdout) == (0, b"fine\n"), ended


@pytest.mark.parametrize(
    "reads",
    [
        "open('/etc/passwd').read()",
        "open(DATABASE).read()",
        "os.listdir(TESTS)",
        "os.environ['PATH'] + open('/proc/1/environ').read() if len(os.environ) > 3 else None",
        "[pid for pid in os.listdir('/proc') if pid.isdigit() and int(pid) > 9]",
    ],
)
async def test_it_sees_nothing_of_the_machine(tmp_path: Path, reads: str) -> None:
    (tmp_path / "engine.db").write_text("secret")
    inside = tmp_path / "inside"
    inside.mkdir()
    code = f"""
        import os
        DATABASE, TESTS = {str(tmp_path / "engine.db")!r}, {str(Path(__file__).parent)!r}
        try:
            found = {reads}
        except OSError:
            found = None
        print(bool(found))
    """
    ended = await broken_out(code, inside)
    assert ended.stdout == b"False\n", ended


async def test_it_writes_and_removes_nothing(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("kept")
    code = """
        import os
        tries = [
            lambda: open('out', 'w').write('x'),
            lambda: open('/out', 'w').write('x'),
            lambda: os.mkdir('/tmp'),
            lambda: os.unlink('program.py'),
            lambda: os.rename('program.py', 'other'),
        ]
        for each in tries:
            try:
                each()
                print('done')
            except OSError as error:
                print('refused')
    """
    ended = await broken_out(code, tmp_path)
    assert ended.stdout == b"refused\n" * 5, ended
    assert os.listdir(tmp_path) == ["program.py"]


async def test_it_reaches_no_socket(tmp_path: Path) -> None:
    arrived = asyncio.Event()
    peer = await asyncio.start_server(lambda reader, writer: (arrived.set(), writer.close())[1], "127.0.0.1", 0)
    async with peer:
        port = peer.sockets[0].getsockname()[1]
        code = f"import socket; socket.create_connection(('127.0.0.1', {port}), 2); print('connected')"
        ended = await broken_out(code, tmp_path)
    assert b"connected" not in ended.stdout
    assert not arrived.is_set()


async def test_a_fork_bomb_ends_with_its_namespace(tmp_path: Path) -> None:
    code = """
        import os, time
        for _ in range(6):
            os.fork()
        print('forked', flush=True)
        time.sleep(600)
    """
    ended = await broken_out(code, tmp_path, timeout=3)
    assert ended.timed_out
    assert ended.stdout.count(b"forked") > 1
    bomb = [
        each for each in psutil.process_iter(["cmdline"]) if "time.sleep(600)" in "".join(each.info["cmdline"] or ())
    ]
    assert psutil.wait_procs(bomb, timeout=10)[1] == []


async def test_a_memory_bomb_stops_at_its_limit(tmp_path: Path) -> None:
    ended = await broken_out("x = []\nwhile True: x.append(bytearray(10**7))", tmp_path)
    assert ended.status != 0
    assert b"MemoryError" in ended.stderr
