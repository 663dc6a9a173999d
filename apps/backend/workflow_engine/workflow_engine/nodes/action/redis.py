"""action.redis: one command for each item."""

from __future__ import annotations

import asyncio
import math
from typing import Any

from pydantic import Field, field_validator

from workflow_engine.nodes.action.formats.plain import Plain
from workflow_engine.nodes.action.messages import written
from workflow_engine.nodes.action.results import FieldName, with_field
from workflow_engine.nodes.action.servers import Server, reached
from workflow_engine.nodes.spec import (
    Call,
    CredentialSlot,
    Effect,
    Json,
    Node,
    NodeFailure,
    Parameters,
    Result,
    Shape,
)


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


_REPEATABLE = _names("""
    BITCOUNT BITPOS DBSIZE DEL ECHO EXISTS EXPIRE EXPIREAT EXPIRETIME FT.SEARCH GEODIST GEOPOS GEOSEARCH GET GETBIT
    GETRANGE HDEL HEXISTS HGET HGETALL HKEYS HLEN HMGET HMSET HSCAN HSET HSTRLEN HVALS INFO JSON.GET JSON.SET KEYS
    LINDEX LLEN LPOS LRANGE LSET MGET MSET PERSIST PEXPIRE PEXPIREAT PFCOUNT PING PSETEX PTTL SADD SCAN SCARD SDIFF
    SET SETBIT SETEX SETRANGE SINTER SISMEMBER SMEMBERS SMISMEMBER SREM SSCAN STRLEN SUNION TIME TOUCH TTL TYPE UNLINK
    XLEN XRANGE XREVRANGE ZADD ZCARD ZCOUNT ZRANGE ZRANGEBYSCORE ZRANK ZREM ZREVRANK ZSCAN ZSCORE
""")
"""Commands that may be run again after a crash: they read, or leave the same when they are repeated."""
_REFUSED = _names("""
    ASKING AUTH BGREWRITEAOF BGSAVE CLIENT CLUSTER CONFIG DEBUG DISCARD EXEC FAILOVER HELLO MIGRATE MODULE MONITOR MULTI
    PSUBSCRIBE PSYNC QUIT READONLY READWRITE REPLICAOF RESET SAVE SELECT SHUTDOWN SLAVEOF SSUBSCRIBE SUBSCRIBE SYNC
    UNWATCH WATCH
""")
"""Commands about the connection or the server, which have no meaning for one command on a connection of its own."""


class RedisParameters(Parameters):
    command: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9._|-]*$", max_length=64)
    """The command, e.g. `GET`, `HSET`, `LPUSH` or `EVAL`."""
    arguments: list[Json] = Field(default=[], max_length=10_000)
    """Its arguments: text as it is, anything else as JSON."""
    output_field: FieldName = "value"
    """Field for the answer."""
    idempotent: bool = False
    """Repeating the command does no harm; known for reads and for commands such as SET."""
    timeout_seconds: float = Field(default=10, gt=0, le=3600)
    """Most time for connecting, and again for the answer."""

    @field_validator("command")
    @classmethod
    def _about_data(cls, command: str) -> str:
        if command.upper() in _REFUSED:
            raise ValueError(f"{command.upper()} is about the connection or the server, not about data")
        return command


class Redis(Node[RedisParameters]):
    """Runs one command on Redis or Valkey for each item and puts the answer into a field of the item.

    Arguments are sent each on its own, so data can not become a command. Bytes that are no text arrive as Base64,
    hashes as objects, sets as lists; a key that is not there gives null. Several commands that belong together are
    best written as a script for `EVAL`, which the server runs as one.

    The credential in slot `server` has host, port, database, user, password and tls. Its host must be public or
    allowed by the operator.
    """

    type = "action.redis"
    summary = "Runs a command on Redis or Valkey."
    example = {"command": "SET", "arguments": ["seen:{{ json.id }}", "{{ json.name }}", "EX", 3600]}
    effect = Effect.AT_MOST_ONCE
    credentials = (CredentialSlot("server", ("redis",), required=True),)

    def shape(self, parameters: dict[str, Any]) -> Shape:
        repeatable = str(parameters.get("command")).upper() in _REPEATABLE or parameters.get("idempotent") is True
        return self.shaped(effect=Effect.IDEMPOTENT if repeatable else Effect.AT_MOST_ONCE)

    async def run(self, call: Call[RedisParameters]) -> Result:
        server = await reached(call.node, call.context, "redis")
        answer = await _answer(server, call.parameters)
        return with_field(call.item, call.parameters.output_field, Plain("a Redis answer").value(_shown(answer)))


async def _answer(server: Server, parameters: RedisParameters) -> Any:
    from redis.asyncio import Connection
    from redis.exceptions import AuthenticationError, RedisError, ResponseError

    tls = server.tls()

    class Checked(Connection):
        def _connection_arguments(self) -> dict[str, Any]:
            named = {"ssl": tls, "server_hostname": server.host} if tls else {}
            return {"host": server.address, "port": server.port, **named}

    connection = Checked(
        host=server.address,
        port=server.port,
        db=int(server.secret.get("database") or 0),
        username=server.text("user"),
        password=server.text("password"),
        socket_connect_timeout=parameters.timeout_seconds,
        protocol=3,
        client_name="workflow-engine",
        driver_info=None,
        retry=None,
    )
    arguments = [written(each) for each in parameters.arguments]
    sent = False
    try:
        try:
            await connection.connect()  # type: ignore[no-untyped-call]
        except AuthenticationError as error:
            raise server.refused(str(error), retryable=False) from None
        except (RedisError, OSError, TimeoutError) as error:
            raise server.refused(str(error) or type(error).__name__) from None
        async with asyncio.timeout(parameters.timeout_seconds):
            sent = True
            await connection.send_command(parameters.command.upper(), *arguments)
            # Its own timeout would end the connection with an error of its own.
            return await connection.read_response(timeout=math.inf)
    except ResponseError as error:
        # It was answered, so it had no effect, but for a script that failed on its way.
        code = str(error).partition(" ")[0]
        raise NodeFailure(
            "COMMAND_FAILED",
            f"{parameters.command.upper()}: {error}",
            field="command",
            hint="see the command's reference; each argument is an element of `arguments`",
            retryable=code in ("LOADING", "BUSY", "TRYAGAIN", "CLUSTERDOWN", "MASTERDOWN"),
            details={"sent": True},
        ) from None
    except TimeoutError:
        raise NodeFailure(
            "TIMEOUT",
            f"no answer within {parameters.timeout_seconds:g} s",
            hint="raise timeout_seconds; for a command that waits, give it a shorter wait of its own",
            retryable=_repeatable(parameters),
            details={"sent": sent},
        ) from None
    except (RedisError, OSError) as error:
        raise NodeFailure(
            "CONNECTION_FAILED",
            f"the connection to {server.host} broke before the answer: {error}",
            hint="the command may have been carried out; look there before you send it again",
            retryable=_repeatable(parameters),
            details={"sent": sent},
        ) from None
    finally:
        await connection.disconnect(nowait=True)


def _repeatable(parameters: RedisParameters) -> bool:
    return parameters.idempotent or parameters.command.upper() in _REPEATABLE


def _shown(answer: Any) -> Any:
    """The answer with text where its bytes are text."""
    match answer:
        case bytes():
            try:
                return answer.decode()
            except UnicodeDecodeError:
                return answer
        case list() | tuple() | set() | frozenset():
            return [_shown(each) for each in answer]
        case dict():
            return {str(_shown(name)): _shown(value) for name, value in answer.items()}
        case _:
            return answer
