"""external_action.telegram: messages of a Telegram bot."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from workflow_engine.engine.items import Item
from workflow_engine.nodes.action.http.auth import Signature
from workflow_engine.nodes.action.http.body import MultipartBody, Part, encode
from workflow_engine.nodes.action.http.pages import Step
from workflow_engine.nodes.context import Blobs
from workflow_engine.nodes.external_action.service import (
    Account,
    CallApi,
    Encoded,
    Field,
    Operation,
    Service,
    get,
    kind,
    post,
    slot,
)
from workflow_engine.nodes.spec import Call, Effect, Emit, Json, NodeFailure, Parameters, Result
from workflow_engine.utils import json

ParseMode = Literal["MarkdownV2", "HTML", "Markdown"]


@kind
class TelegramBot(Account):
    """The token that BotFather gave a bot."""

    type = "telegram"
    title = "Telegram bot token"
    probed = ("external_action.telegram", {"operation": "bot.me"})


class ToChat(Operation):
    chat_id: int | str
    """The chat's id, or a channel's `@name`."""


class SendMessage(ToChat):
    """Sends a text."""

    operation: Literal["message.send"]
    text: str = Field(max_length=4096)
    """What it says."""
    parse_mode: ParseMode | None = None
    """How its markup is read; none when absent."""
    reply_markup: dict[str, Json] | None = None
    """Buttons."""
    reply_parameters: dict[str, Json] | None = None
    """The message to answer, as `{"message_id": 1}`."""
    disable_notification: bool | None = None
    """Deliver it without a sound."""
    http = post("/sendMessage", records="result")


class EditMessage(ToChat):
    """Changes the text of a message of the bot's own."""

    operation: Literal["message.edit"]
    message_id: int
    """The message."""
    text: str = Field(max_length=4096)
    """What it says now."""
    parse_mode: ParseMode | None = None
    """How its markup is read."""
    reply_markup: dict[str, Json] | None = None
    """Buttons."""
    http = post("/editMessageText", records="result", effect=Effect.IDEMPOTENT)


class DeleteMessage(ToChat):
    """Deletes a message."""

    operation: Literal["message.delete"]
    message_id: int
    """The message."""
    http = post("/deleteMessage", effect=Effect.IDEMPOTENT)


class SendPhoto(ToChat):
    """Sends a picture."""

    operation: Literal["photo.send"]
    photo: str
    """Its address, or the id of a file that Telegram has."""
    caption: str | None = Field(default=None, max_length=1024)
    """What stands under it."""
    parse_mode: ParseMode | None = None
    """How the caption's markup is read."""
    http = post("/sendPhoto", records="result")


class SendDocument(ToChat):
    """Sends a file."""

    operation: Literal["document.send"]
    document: str
    """Its address, or the id of a file that Telegram has."""
    caption: str | None = Field(default=None, max_length=1024)
    """What stands under it."""
    http = post("/sendDocument", records="result")


class SendFile(ToChat):
    """Sends a file of the item."""

    operation: Literal["file.send"]
    kind: Literal["document", "photo", "video", "audio", "voice", "animation"] = "document"
    """How it is shown."""
    binary: str = "data"
    """The item's binary slot."""
    caption: str | None = Field(default=None, max_length=1024)
    """What stands under it."""
    http = post("", records="result")

    def path(self) -> str:
        return f"/send{self.kind.capitalize()}"

    def body(self) -> Json:
        return None

    def sends(self, item: Item, blobs: Blobs | None) -> Encoded:
        parts = [Part(name="chat_id", value=self.chat_id), Part(name=self.kind, binary=self.binary)]
        parts += [Part(name="caption", value=self.caption)] if self.caption else []
        return encode(MultipartBody(kind="multipart", parts=parts), item, blobs)


class GetFile(Operation):
    """What Telegram knows of a file, such as its size and its path."""

    operation: Literal["file.get"]
    file_id: str
    """The file, from a message."""
    http = get("/getFile", records="result")


class DownloadFile(Operation):
    """A file's bytes, in slot `data`. Bots get files of up to 20 MB."""

    operation: Literal["file.download"]
    file_id: str
    """The file, from a message."""
    http = get("")


class _Bytes(Operation):
    """The second step of a download: the path that the first one told."""

    operation: Literal["file.bytes"] = "file.bytes"
    file: str
    http = get("/{file:path}")
    gives_file = True


class SendLocation(ToChat):
    """Sends a place on the map."""

    operation: Literal["location.send"]
    latitude: float = Field(ge=-90, le=90)
    """Degrees."""
    longitude: float = Field(ge=-180, le=180)
    """Degrees."""
    http = post("/sendLocation", records="result")


class GetChat(ToChat):
    """What a chat is."""

    operation: Literal["chat.get"]
    http = get("/getChat", records="result")


class AnswerCallback(Operation):
    """Answers who pressed a button."""

    operation: Literal["callback.answer"]
    callback_query_id: str
    """From the update."""
    text: str | None = Field(default=None, max_length=200)
    """What is shown."""
    show_alert: bool | None = None
    """Show it as an alert."""
    http = post("/answerCallbackQuery", effect=Effect.IDEMPOTENT)


class GetMe(Operation):
    """Which bot the token is for."""

    operation: Literal["bot.me"]
    http = get("/getMe", records="result")


class TelegramParameters(Parameters):
    """What to do."""

    action: Annotated[
        SendMessage
        | EditMessage
        | DeleteMessage
        | SendPhoto
        | SendDocument
        | SendFile
        | GetFile
        | DownloadFile
        | SendLocation
        | GetChat
        | AnswerCallback
        | GetMe
        | CallApi,
        Field(discriminator="operation"),
    ]
    """The operation and what it takes."""


class Telegram(Service[TelegramParameters]):
    """Sends messages as a Telegram bot. People have to have written to the bot before it may write to them.

    Sending is not repeated after a crash.
    """

    type = "external_action.telegram"
    summary = "Messages of a Telegram bot."
    base_url = "https://api.telegram.org"
    documentation_url = "https://core.telegram.org/bots/api"
    credentials = slot("telegram")
    example = {"action": {"operation": "message.send", "chat_id": 4711, "text": "{{ json.text }}"}}

    def address(self, secret: dict[str, Any], operation: Operation) -> str:
        folder = "/file" if isinstance(operation, _Bytes) else ""
        return f"{super().address(secret, operation)}{folder}/bot{secret.get('token', '')}"

    async def run(self, call: Call[TelegramParameters]) -> Result:
        operation = call.parameters.action
        if not isinstance(operation, DownloadFile):
            return await super().run(call)
        told = await self.sent(call, GetFile(operation="file.get", file_id=operation.file_id), Step())
        path = ((told.body or {}).get("result") or {}).get("file_path")
        if not path:
            raise NodeFailure("NOT_FOUND", "Telegram does not give this file", field="action.file_id")
        return Emit({"main": (await self.sent(call, _Bytes(file=path), Step())).items(full=False)})

    def signature(self, secret: dict[str, Any]) -> Signature:
        return Signature()

    def refused(self, failed: NodeFailure) -> NodeFailure:
        # Telegram tells the time to wait in the body alone.
        wait = _wait(str(failed.failure.details.get("body", "")))
        failed = super().refused(failed)
        if wait and failed.failure.retryable:
            failed.failure = msgspec.structs.replace(failed.failure, retry_after=wait)
        return failed


def _wait(body: str) -> int:
    """Milliseconds that an error asks to wait; 0 when it does not."""
    try:
        return int(json.loads(body)["parameters"]["retry_after"]) * 1000
    except (ValueError, KeyError, TypeError):
        return 0
