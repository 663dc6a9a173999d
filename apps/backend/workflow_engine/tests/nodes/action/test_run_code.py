"""Ordinary and hostile programs, each in a real process."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from tests.nodes.harness import NOW, failure, problems, records, run_node
from workflow_engine.engine.events import AnyEvent, NodeSucceeded
from workflow_engine.nodes.context import Context
from workflow_engine.runtime.sandbox import ProcessSandbox


async def run(language: str, code: str, items: Any = ({},), **parameters: Any) -> AnyEvent:
    context = Context("exec", "wf", NOW, sandbox=ProcessSandbox())
    drawn = {"language": language, "code": code, **parameters}
    return await run_node("action.run_code", drawn, items, context=context)


EACH = {"python": "return {'n': item['n'] + 1}", "javascript": "return {n: item.n + 1}"}
ALL = {
    "python": "print('seen')\nreturn [{'n': i['n']} for i in items if i['n'] > 1]",
    "javascript": "console.log('seen'); return items.filter(i => i.n > 1)",
}


@pytest.mark.parametrize("language", ["python", "javascript"])
async def test_code_sees_all_items_or_each_of_them(language: str) -> None:
    numbers = [{"n": 1}, {"n": 2}, {"n": 3}]
    assert records(await run(language, ALL[language], numbers)) == [{"n": 2}, {"n": 3}]
    each = await run(language, EACH[language], numbers, mode="each_item")
    assert records(each) == [{"n": 2}, {"n": 3}, {"n": 4}]
    assert isinstance(each, NodeSucceeded)
    assert [item.sources for item in each.outputs["main"]] == [(0,), (1,), (2,)]


@pytest.mark.parametrize("language", ["python", "javascript"])
@pytest.mark.parametrize(
    ("value", "made"),
    [("3", [{"value": 3}]), ("[1, {}]", [{"value": 1}, {}]), ("items", [{"é😀\n'\"\\{{": "{{ x }} \x00\u2028"}])],
)
async def test_what_is_returned_becomes_items(language: str, value: str, made: list[Any]) -> None:
    assert records(await run(language, f"return {value}", [{"é😀\n'\"\\{{": "{{ x }} \x00\u2028"}])) == made


async def test_nothing_returned_is_no_item() -> None:
    assert records(await run("python", "pass")) == []
    assert records(await run("javascript", "return null")) == []


async def test_strings_over_several_lines_keep_their_blanks() -> None:
    code = 'text = """a\n  b\nc"""\nreturn {"text": text}  # the end'
    assert records(await run("python", code)) == [{"text": "a\n  b\nc"}]


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("python", "return {'n': item['n'] * inputs['rate'], 'by': inputs['by']}"),
        ("javascript", "return {n: item.n * inputs.rate, by: inputs.by}"),
    ],
)
async def test_inputs_bring_what_expressions_say(language: str, code: str) -> None:
    event = await run(
        language, code, [{"n": 2}, {"n": 3}], mode="each_item", inputs={"rate": "{{ json.n }}", "by": ["a", None]}
    )
    assert records(event) == [{"n": 4, "by": ["a", None]}, {"n": 6, "by": ["a", None]}]


async def test_expressions_have_no_meaning_in_code() -> None:
    assert records(await run("javascript", "return {a: `{{ json.a }}`}")) == [{"a": "{{ json.a }}"}]


@pytest.mark.parametrize(
    ("language", "code", "message", "line"),
    [
        ("python", "a = 1\n\nreturn a / 0", "line 3: ZeroDivisionError", 3),
        ("python", "def f():\n    raise ValueError('bad')\nf()", "line 2: ValueError: bad", 2),
        ("python", "return 1\ndef f(:\n    pass", "line 2: ", 2),
        ("javascript", "const a = null;\n\nreturn a.b", "line 3: TypeError: Cannot read", 3),
        ("python", "raise ValueError('an error: MemoryError')", "line 1: ValueError: an error: MemoryError", 1),
        ("javascript", "throw 'bad'", "threw bad", None),
        ("javascript", "return ((", "SyntaxError", None),
    ],
)
async def test_a_failure_says_what_and_where(language: str, code: str, message: str, line: int | None) -> None:
    failed = failure(await run(language, code))
    assert (failed.reason, failed.field, failed.details.get("line")) == ("CODE_FAILED", "code", line)
    assert message in failed.message
    assert failed.hint


HOSTILE = [
    ("python", "while True: pass", "CODE_TIMEOUT"),
    ("python", "while True:\n  try:\n    while True: pass\n  except BaseException: pass", "CODE_TIMEOUT"),
    ("python", "import time\ntime.sleep(100)", "CODE_TIMEOUT"),
    ("python", "x = []\nwhile True: x.append('a' * 1000)", "CODE_MEMORY"),
    ("python", "return 'a' * 10**10", "CODE_MEMORY"),
    ("python", "return open('/etc/passwd').read()", "CODE_FAILED"),
    ("python", "open('out', 'w').write('x')", "CODE_FAILED"),
    ("python", "import os\nreturn dict(os.environ)", "CODE_FAILED"),
    ("python", "import socket", "CODE_FAILED"),
    ("python", "import os\nwhile True: os.fork()", "CODE_FAILED"),
    ("python", "while True: print('x' * 100000)", "CODE_OUTPUT_TOO_LARGE"),
    ("python", "return 'x' * 20_000_000", "CODE_OUTPUT_TOO_LARGE"),
    ("python", "x = []\nfor i in range(100000): x = [x]\nreturn x", "CODE_RESULT_INVALID"),
    ("python", "return {1, 2}", "CODE_RESULT_INVALID"),
    ("python", "return float('nan')", "CODE_RESULT_INVALID"),
    ("javascript", "for (;;);", "CODE_TIMEOUT"),
    ("javascript", "await new Promise(r => setTimeout(r, 1e6))", "CODE_TIMEOUT"),
    ("javascript", "await new Promise(() => {})", "CODE_CRASHED"),
    ("javascript", "const x = []; for (;;) x.push('a' + x.length)", "CODE_MEMORY"),
    ("javascript", "const x = []; for (;;) x.push(new Uint8Array(5e7).fill(1))", "CODE_MEMORY"),
    ("javascript", "const f = await import('node:fs'); return f.readFileSync('/etc/passwd', 'utf8')", "CODE_FAILED"),
    ("javascript", "const f = await import('node:fs'); f.writeFileSync('out', 'x')", "CODE_FAILED"),
    ("javascript", "return (await import('file:///etc/passwd', {with: {type: 'text'}})).default", "CODE_FAILED"),
    (
        "javascript",
        "const from = '%22file:///etc/passwd%22 with {type:%22text%22}';"
        "return (await import('data:text/javascript,export {default} from ' + from)).default",
        "CODE_FAILED",
    ),
    ("javascript", "return {...(await import('node:process')).env}.HOME.length", "CODE_FAILED"),
    ("javascript", "(await import('node:child_process')).execFileSync('/usr/bin/id')", "CODE_FAILED"),
    ("javascript", "for (;;) new Worker('data:text/javascript,for(;;);', {type: 'module'})", "CODE_FAILED"),
    (
        "javascript",
        "const {Worker} = await import('node:worker_threads'); for (;;) new Worker('for(;;);', {eval: true})",
        "CODE_",
    ),
    ("javascript", "for (;;) console.log('x'.repeat(1e5))", "CODE_OUTPUT_TOO_LARGE"),
    ("javascript", "let x = []; for (let i = 0; i < 1e5; i++) x = [x]; return x", "CODE_"),
    ("javascript", "let x = []; for (let i = 0; i < 2000; i++) x = [x]; return x", "CODE_RESULT_INVALID"),
    ("javascript", "const x = {}; x.x = x; return x", "CODE_RESULT_INVALID"),
    ("javascript", "return 1n", "CODE_RESULT_INVALID"),
    ("javascript", "(await import('node:process')).exit(0)", "CODE_CRASHED"),
]


@pytest.mark.parametrize(("language", "code", "reason"), HOSTILE)
async def test_a_hostile_program_ends_in_a_clear_failure(language: str, code: str, reason: str) -> None:
    started = time.monotonic()
    # One that shall hit another wall must not hit that of time first, however busy the machine is.
    seconds = 2 if "CODE_TIMEOUT".startswith(reason) else 20
    failed = failure(await run(language, code, timeout=seconds, memory_mib=64))
    assert failed.reason.startswith(reason), failed
    assert failed.hint
    assert len(failed.message) < 3000
    assert time.monotonic() - started < 5 * seconds


DENIED = [
    ("python", "open('/etc/passwd')", "PermissionError"),
    ("python", "open('out', 'w').write('x')", "PermissionError"),
    ("javascript", "Deno.readTextFileSync('/etc/passwd')", "read access"),
    ("javascript", "Deno.writeTextFileSync('out', 'x')", "write access"),
    ("javascript", "(await import('node:fs')).readFileSync('/etc/passwd')", "read access"),
    ("javascript", "await import('file:///etc/passwd', {with: {type: 'text'}})", "read access"),
    ("javascript", "Deno.env.toObject()", "env access"),
    ("javascript", "await Deno.connect({port: 9000})", "net access"),
    ("javascript", "new Deno.Command('/usr/bin/id').outputSync()", "run access"),
    ("javascript", "Deno.dlopen('libc.so.6', {})", "ffi access"),
    (
        "javascript",
        "await Deno.permissions.request({name: 'read'}); Deno.readTextFileSync('/etc/passwd')",
        "read access",
    ),
]


@pytest.mark.parametrize(("language", "code", "refused"), DENIED)
async def test_it_is_the_permission_that_is_refused(language: str, code: str, refused: str) -> None:
    failed = failure(await run(language, code))
    assert failed.reason == "CODE_FAILED"
    assert refused in failed.message
    assert "no files, network or environment" in failed.hint


@pytest.mark.parametrize("call", ["await fetch('http://127.0.0.1:%d')", "await (await import('node:net')).connect(%d)"])
async def test_no_connection_arrives(call: str) -> None:
    arrived = asyncio.Event()
    peer = await asyncio.start_server(lambda reader, writer: (arrived.set(), writer.close())[1], "127.0.0.1", 0)
    async with peer:
        code = (call % peer.sockets[0].getsockname()[1]) + "; await new Promise(r => setTimeout(r, 200))"
        failed = failure(await run("javascript", code))
        assert failed.reason in ("CODE_FAILED", "CODE_CRASHED")
        assert not arrived.is_set()


async def test_a_program_that_was_stopped_leaves_the_others_alone() -> None:
    bad = run("javascript", "for (;;);", timeout=1)
    good = run("python", "return {'ok': True}")
    _, fine = await asyncio.gather(bad, good)
    assert records(fine) == [{"ok": True}]


async def test_a_cancelled_attempt_takes_its_process_along() -> None:
    sandbox = ProcessSandbox(concurrency=1)
    running = asyncio.create_task(sandbox.run("javascript", "for (;;);", [], each=False, timeout=60, memory=64))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(running, 0.3)
    # There is one turn only, so this waits for ever if the first program still holds it.
    assert await sandbox.run("python", "return 1", [], each=False, timeout=5, memory=64) == 1


def test_parameters_are_bounded() -> None:
    given = {"language": "python", "code": "return 1"}
    assert problems("action.run_code", given) == []
    assert problems("action.run_code", given | {"timeout": 3600})[0].startswith("parameters.timeout: ")
    assert problems("action.run_code", given | {"memory_mib": 10**6})[0].startswith("parameters.memory_mib: ")
    assert problems("action.run_code", given | {"language": "perl"})[0].startswith("parameters.language: ")
