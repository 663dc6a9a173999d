"""A provider of language models on this machine: OpenAI's, Anthropic's and Google's wire formats, with a script for a
model.

It refuses what the real ones refuse (a wrong key, a tool call without its result, a missing `max_tokens`), streams as
they stream, and counts every call and token that it has answered, so that a test can compare with what we counted.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

KEY = "sk-test-0123456789"
TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


@dataclass
class Say:
    """An answer in words."""

    text: str
    input_tokens: int = 11
    output_tokens: int = 7


@dataclass
class Use:
    """An answer that calls tools: pairs of name and arguments; arguments that are text go out as they are."""

    calls: list[tuple[str, Any]]
    input_tokens: int = 13
    output_tokens: int = 5


@dataclass
class Refuse:
    """The model's own refusal."""

    why: str
    input_tokens: int = 3
    output_tokens: int = 2


@dataclass
class Fail:
    """An HTTP error, or an answer that no client can read."""

    status: int = 500
    retry_after: float | None = None
    body: str | None = None


@dataclass
class Break:
    """The connection is cut in the middle of the answer."""


Move = Say | Use | Refuse | Fail | Break
Player = Callable[[dict[str, Any]], Move]
"""A model: what it does for a request, in the form that the provider got it."""


@dataclass
class ModelServer:
    """The server, and all it has been asked. Give it a script, or a player for what the script does not cover."""

    script: deque[Move] = field(default_factory=deque[Move])
    player: Player | None = None
    requests: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    answered: Counter[str] = field(default_factory=Counter[str])
    """`model_calls`, `input_tokens` and `output_tokens` of the answers that went out whole."""
    gate: asyncio.Event | None = None
    """Nothing is answered while it is closed."""
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""
    _ids: Any = field(default_factory=lambda: itertools.count(1))

    def plays(self, *moves: Move) -> ModelServer:
        self.script.extend(moves)
        return self

    @property
    def openai(self) -> str:
        return f"{self.url}/openai/v1"

    @property
    def anthropic(self) -> str:
        return f"{self.url}/anthropic"

    @property
    def google(self) -> str:
        return f"{self.url}/google"

    def settings(self, provider: str = "openai") -> dict[str, Any]:
        """Settings of an engine that uses it."""
        return {
            "ai_model": f"{provider}:gpt-5.6-luna" if provider == "openai" else f"{provider}:claude-sonnet-5-5",
            "openai_api_key": KEY,
            "openai_base_url": self.openai,
            "anthropic_api_key": KEY,
            "anthropic_base_url": self.anthropic,
        }

    def prompts(self) -> list[str]:
        """The last message of each request, as text."""
        return [_text(request["messages"][-1]["content"]) for request in self.requests]

    async def _move(self, request: dict[str, Any]) -> Move:
        self.requests.append(request)
        self.arrived.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.script:
            return self.script.popleft()
        if self.player is not None:
            return self.player(request)
        return Fail(500, body='{"error": {"message": "the script is over", "type": "server_error"}}')

    def _count(self, move: Say | Use | Refuse) -> None:
        self.answered.update(model_calls=1, input_tokens=move.input_tokens, output_tokens=move.output_tokens)

    async def _failed(self, request: web.Request, move: Fail | Break) -> web.StreamResponse:
        if isinstance(move, Break):
            response = web.StreamResponse(headers={"content-type": "application/json", "content-length": "100000"})
            await response.prepare(request)
            await response.write(b'{"id": "chatcmpl-1", "choices": [{"index": 0, "message": {"role": "assis')
            assert request.transport is not None
            request.transport.close()
            return response
        headers = {"content-type": "application/json"}
        if move.retry_after is not None:
            headers["retry-after"] = str(move.retry_after)
        body = move.body if move.body is not None else json.dumps({"error": {"message": f"status {move.status}"}})
        return web.Response(status=move.status, body=body, headers=headers)

    # OpenAI

    async def chat_completions(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return _openai_error(401, "Incorrect API key provided", "invalid_api_key")
        asked = await request.json()
        if wrong := _openai_problem(asked):
            return _openai_error(400, wrong, None)
        move = await self._move(asked)
        if isinstance(move, Fail | Break) and not (isinstance(move, Break) and asked.get("stream")):
            return await self._failed(request, move)
        number = next(self._ids)
        head = {"id": f"chatcmpl-{number}", "created": 1_750_000_000, "model": asked["model"]}
        if asked.get("stream"):
            return await self._openai_stream(request, move, head, asked)
        assert isinstance(move, Say | Use | Refuse)
        message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
        finish = "stop"
        match move:
            case Say():
                message["content"] = move.text
            case Refuse():
                message["refusal"] = move.why
            case Use():
                finish = "tool_calls"
                message["tool_calls"] = [
                    {
                        "id": f"call_{number}_{place}",
                        "type": "function",
                        "function": {"name": name, "arguments": _raw(given)},
                    }
                    for place, (name, given) in enumerate(move.calls)
                ]
        self._count(move)
        return web.json_response(
            head
            | {
                "object": "chat.completion",
                "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
                "usage": _openai_usage(move),
            }
        )

    async def _openai_stream(
        self, request: web.Request, move: Move, head: dict[str, Any], asked: dict[str, Any]
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)

        async def send(delta: dict[str, Any], finish: str | None = None) -> None:
            chunk = head | {"object": "chat.completion.chunk"}
            chunk["choices"] = [{"index": 0, "delta": delta, "finish_reason": finish}]
            await response.write(f"data: {json.dumps(chunk)}\n\n".encode())

        await send({"role": "assistant", "content": ""})
        match move:
            case Say():
                for word in re.findall(r"\S+\s*", move.text):
                    await send({"content": word})
                await send({}, "stop")
            case Use():
                for place, (name, given) in enumerate(move.calls):
                    call = {"index": place, "id": f"{head['id']}_{place}", "type": "function"}
                    await send({"tool_calls": [call | {"function": {"name": name, "arguments": ""}}]})
                    for piece in _pieces(_raw(given)):
                        await send({"tool_calls": [{"index": place, "function": {"arguments": piece}}]})
                await send({}, "tool_calls")
            case Refuse():
                await send({"refusal": move.why})
                await send({}, "stop")
            case _:
                await send({"content": "Half of an"})
                assert request.transport is not None
                request.transport.close()
                return response
        if asked.get("stream_options", {}).get("include_usage"):
            chunk = head | {"object": "chat.completion.chunk", "choices": [], "usage": _openai_usage(move)}
            await response.write(f"data: {json.dumps(chunk)}\n\n".encode())
        await response.write(b"data: [DONE]\n\n")
        self._count(move)
        return response

    async def embeddings(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return _openai_error(401, "Incorrect API key provided", "invalid_api_key")
        asked = await request.json()
        texts = [asked["input"]] if isinstance(asked["input"], str) else asked["input"]
        self.answered.update(embeddings=len(texts))
        data = [
            {"object": "embedding", "index": at, "embedding": bag_of_letters(text)} for at, text in enumerate(texts)
        ]
        usage = {"prompt_tokens": len(texts), "total_tokens": len(texts)}
        return web.json_response({"object": "list", "data": data, "model": asked["model"], "usage": usage})

    # Anthropic

    async def messages(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("x-api-key") != KEY:
            return _anthropic_error(401, "authentication_error", "invalid x-api-key")
        if not request.headers.get("anthropic-version"):
            return _anthropic_error(400, "invalid_request_error", "anthropic-version: header is required")
        asked = await request.json()
        if wrong := _anthropic_problem(asked):
            return _anthropic_error(400, "invalid_request_error", wrong)
        move = await self._move(asked)
        if isinstance(move, Fail | Break) and not (isinstance(move, Break) and asked.get("stream")):
            return await self._failed(request, move)
        number = next(self._ids)
        blocks: list[dict[str, Any]] = []
        stop = "end_turn"
        match move:
            case Say():
                blocks = [{"type": "text", "text": move.text}]
            case Refuse():
                blocks, stop = [{"type": "text", "text": move.why}], "refusal"
            case Use():
                stop = "tool_use"
                blocks = [
                    {"type": "tool_use", "id": f"toolu_{number}_{place}", "name": name, "input": given}
                    for place, (name, given) in enumerate(move.calls)
                ]
            case _:
                blocks = [{"type": "text", "text": "Half of an answer"}]
        message = {
            "id": f"msg_{number}",
            "type": "message",
            "role": "assistant",
            "model": asked["model"],
            "stop_sequence": None,
        }
        if asked.get("stream"):
            return await self._anthropic_stream(request, move, message, blocks, stop)
        assert isinstance(move, Say | Use | Refuse)
        self._count(move)
        usage = {"input_tokens": move.input_tokens, "output_tokens": move.output_tokens}
        return web.json_response(message | {"content": blocks, "stop_reason": stop, "usage": usage})

    async def _anthropic_stream(
        self, request: web.Request, move: Move, message: dict[str, Any], blocks: list[dict[str, Any]], stop: str
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)

        async def send(type: str, **data: Any) -> None:
            await response.write(f"event: {type}\ndata: {json.dumps({'type': type, **data})}\n\n".encode())

        tokens = 1 if isinstance(move, Fail | Break) else move.input_tokens
        usage = {"input_tokens": tokens, "output_tokens": 1}
        await send("message_start", message=message | {"content": [], "stop_reason": None, "usage": usage})
        for index, block in enumerate(blocks):
            if block["type"] == "text":
                await send("content_block_start", index=index, content_block={"type": "text", "text": ""})
                for word in re.findall(r"\S+\s*", block["text"]):
                    await send("content_block_delta", index=index, delta={"type": "text_delta", "text": word})
            else:
                await send("content_block_start", index=index, content_block=block | {"input": {}})
                for piece in _pieces(_raw(block["input"])):
                    delta = {"type": "input_json_delta", "partial_json": piece}
                    await send("content_block_delta", index=index, delta=delta)
            if isinstance(move, Break):
                assert request.transport is not None
                request.transport.close()
                return response
            await send("content_block_stop", index=index)
        assert isinstance(move, Say | Use | Refuse)
        delta = {"stop_reason": stop, "stop_sequence": None}
        await send("message_delta", delta=delta, usage={"output_tokens": move.output_tokens})
        await send("message_stop")
        self._count(move)
        return response

    # Google

    async def generate_content(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("x-goog-api-key") != KEY:
            error = {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT"}
            return web.json_response({"error": error}, status=400)
        asked = await request.json()
        move = await self._move(asked)
        if isinstance(move, Fail | Break):
            return await self._failed(request, move)
        parts: list[dict[str, Any]] = []
        match move:
            case Say():
                parts = [{"text": move.text}]
            case Use():
                parts = [{"functionCall": {"name": name, "args": given}} for name, given in move.calls]
        total = move.input_tokens + move.output_tokens
        answer = {
            "candidates": [
                {
                    "content": {"role": "model", "parts": parts},
                    "finishReason": "SAFETY" if isinstance(move, Refuse) else "STOP",
                    "index": 0,
                }
            ],
            "usageMetadata": {
                "promptTokenCount": move.input_tokens,
                "candidatesTokenCount": move.output_tokens,
                "totalTokenCount": total,
            },
            "modelVersion": "gemini",
            "responseId": f"r{next(self._ids)}",
        }
        self._count(move)
        if request.match_info["verb"] == "streamGenerateContent":
            body = f"data: {json.dumps(answer)}\r\n\r\n"
            return web.Response(text=body, content_type="text/event-stream")
        return web.json_response(answer)


@asynccontextmanager
async def model_server(*moves: Move, player: Player | None = None) -> AsyncIterator[ModelServer]:
    """A server that plays `moves`, then `player`."""
    made = ModelServer(deque(moves), player)
    app = web.Application(client_max_size=64 << 20)
    app.router.add_post("/openai/v1/chat/completions", made.chat_completions)
    app.router.add_post("/openai/v1/embeddings", made.embeddings)
    app.router.add_post("/google/v1beta/models/{model}:{verb}", made.generate_content)
    app.router.add_post("/anthropic/v1/messages", made.messages)
    async with TestServer(app, host="127.0.0.1") as running:
        made.url = str(running.make_url("")).rstrip("/")
        yield made


def bag_of_letters(text: str) -> list[float]:
    """A vector that is like another one's where the texts share letters."""
    counts = Counter(each for each in text.lower() if each.isalpha())
    size = sum(count * count for count in counts.values()) ** 0.5 or 1
    return [counts[chr(ord("a") + at)] / size for at in range(26)]


def _raw(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


def _pieces(text: str) -> Iterable[str]:
    return (text[at : at + 9] for at in range(0, len(text), 9))


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(
        block.get("text") or _text(block.get("content", "")) for block in content or [] if isinstance(block, dict)
    )


def _openai_usage(move: Say | Use | Refuse) -> dict[str, int]:
    total = move.input_tokens + move.output_tokens
    return {"prompt_tokens": move.input_tokens, "completion_tokens": move.output_tokens, "total_tokens": total}


def _openai_error(status: int, message: str, code: str | None) -> web.Response:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return web.json_response({"error": error}, status=status)


def _anthropic_error(status: int, type: str, message: str) -> web.Response:
    return web.json_response({"type": "error", "error": {"type": type, "message": message}}, status=status)


def _openai_problem(asked: dict[str, Any]) -> str:
    for tool in asked.get("tools", []):
        if not TOOL_NAME.fullmatch(tool["function"]["name"]):
            return f"Invalid 'tools[].function.name': {tool['function']['name']!r}"
    owed: list[str] = []
    for message in asked["messages"]:
        if message["role"] == "tool":
            if message["tool_call_id"] not in owed:
                return "messages with role 'tool' must be a response to a preceding message with 'tool_calls'."
            owed.remove(message["tool_call_id"])
            continue
        if owed:
            return f"An assistant message with 'tool_calls' must be followed by tool messages; missing: {owed}"
        owed = [call["id"] for call in message.get("tool_calls") or []]
    return f"tool results are missing: {owed}" if owed else ""


def _anthropic_problem(asked: dict[str, Any]) -> str:
    if not isinstance(asked.get("max_tokens"), int):
        return "max_tokens: Field required"
    owed: set[str] = set()
    before = ""
    for message in asked["messages"]:
        blocks = message["content"] if isinstance(message["content"], list) else []
        given = {block["tool_use_id"] for block in blocks if block["type"] == "tool_result"}
        if owed != given:
            return f"tool_use ids were found without tool_result blocks immediately after: {sorted(owed ^ given)}"
        if message["role"] == before == "assistant":
            return "messages: roles must alternate"
        before = message["role"]
        owed = {block["id"] for block in blocks if block["type"] == "tool_use"}
    return f"tool_use ids without results: {sorted(owed)}" if owed else ""
