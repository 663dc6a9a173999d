"""The ways by which people hear of a task: what a node is told of them, and which node type carries the message.

A message goes out through the node type that a workflow would send it with, so whatever that one knows (credentials,
checked addresses, errors in words) holds here too. What the message says is given to it as an item, never as a
parameter: nothing that a person wrote can be taken for an expression.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, StringConstraints

from workflow_engine.engine.items import Json
from workflow_engine.engine.tasks import Notice, Task
from workflow_engine.nodes.external_action.mail import Address
from workflow_engine.nodes.human.people import People
from workflow_engine.nodes.spec import CredentialSlot, Parameters
from workflow_engine.utils.markdown import to_html

Place: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class ByEmail(Parameters):
    """Tells them by mail, each with a link of their own. Takes the credential `email`."""

    channel: Literal["email"]
    sender: Address = Field(alias="from")
    """From whom."""
    to: People = []
    """Addresses; those among the assignees when empty."""


class BySlack(Parameters):
    """Tells a channel or a person in Slack. Takes the credential `slack`."""

    channel: Literal["slack"]
    to: list[Place] = Field(min_length=1, max_length=20)
    """Channel or user ids, or channels' names such as `#approvals`."""


class ByDiscord(Parameters):
    """Tells a channel in Discord. Takes the credential `discord`."""

    channel: Literal["discord"]
    to: list[Place] = Field(min_length=1, max_length=20)
    """Channel ids."""


class ByTelegram(Parameters):
    """Tells a chat in Telegram. Takes the credential `telegram`."""

    channel: Literal["telegram"]
    to: list[Place] = Field(min_length=1, max_length=20)
    """Chat ids, or channels' names such as `@approvals`."""


Channel: TypeAlias = Annotated[ByEmail | BySlack | ByDiscord | ByTelegram, Field(discriminator="channel")]

SLOTS = (
    CredentialSlot("email", ("smtp",)),
    CredentialSlot("slack", ("slack",)),
    CredentialSlot("discord", ("discord",)),
    CredentialSlot("telegram", ("telegram",)),
)
"""What a human node takes, by the name of the channel."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message, as one node sends it."""

    type: str
    slot: str
    parameters: dict[str, Json]
    """Fixed; the words are in `item`."""
    item: dict[str, Json]


_WORDS = {
    "en": {"asked": "", "reminder": "Reminder: ", "escalation": "Nobody has answered yet: ", "open": "Look and answer"},
    "zh": {"asked": "", "reminder": "提醒：", "escalation": "尚无人处理：", "open": "查看并回答"},
}


def message(task: Task, notice: Notice, url: str) -> Message:
    """What `notice` says, with the link `url`."""
    words = _WORDS.get(str(notice.settings.get("language")), _WORDS["en"])
    title = words[notice.occasion] + task.title
    match notice.channel:
        case "email":
            return Message(
                "external_action.email",
                "server",
                {name: f"{{{{ json.{name} }}}}" for name in ("from", "subject", "text", "html")}
                | {"to": ["{{ json.to }}"]},
                {
                    "from": notice.settings["from"],
                    "to": notice.to,
                    "subject": title,
                    "text": f"{title}\n\n{task.text}\n\n{words['open']}:\n{url}\n",
                    "html": _html(title, task.text, words["open"], url),
                },
            )
        case "slack":
            text = f"*{_slack(title)}*\n<{url}|{words['open']}>"
            action = {
                "operation": "message.send",
                "channel": "{{ json.to }}",
                "text": "{{ json.text }}",
                "unfurl_links": False,
            }
        case "discord":
            # A title must not call everyone on the server.
            quiet = title.replace("@", "@\u200b")
            text = f"**{quiet}**\n[{words['open']}]({url})"
            action = {"operation": "message.send", "channel_id": "{{ json.to }}", "content": "{{ json.text }}"}
        case _:
            text = f"{title}\n\n{words['open']}: {url}"
            action = {"operation": "message.send", "chat_id": "{{ json.to }}", "text": "{{ json.text }}"}
    return Message(f"external_action.{notice.channel}", "auth", {"action": action}, {"to": notice.to, "text": text})


def answers_as(notice: Notice) -> str:
    """In whose name the link of a notice answers."""
    return notice.to if notice.channel == "email" else f"{notice.channel}:{notice.to}"


def _slack(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("*", "\u2217")


def _html(title: str, text: str, open_: str, url: str) -> str:
    return (
        '<div style="font:16px/1.5 system-ui,sans-serif;max-width:36em">'
        f'<h2 style="font-size:20px;margin:0 0 12px">{escape(title)}</h2>{to_html(text)}'
        f'<p style="margin:24px 0"><a href="{escape(url)}" style="background:#5450c9;color:#fff;padding:12px 20px;'
        f'border-radius:8px;text-decoration:none;font-weight:600">{escape(open_)}</a></p>'
        f'<p style="color:#666;font-size:13px">{escape(url)}</p></div>'
    )


def notices(asking: Any, credentials: dict[str, str], now: int, until: int | None) -> tuple[Notice, ...]:
    """All messages about a task that begins at `now` and ends at `until`, in no order."""
    occasions = [("asked", now, asking.assignees)]
    if asking.remind_every is not None:
        occasions += [
            ("reminder", now + asking.remind_every * number, asking.assignees)
            for number in range(1, asking.reminders + 1)
        ]
    occasions += [("escalation", now + each.after, each.to) for each in asking.escalate]
    return tuple(
        Notice(
            at=at,
            occasion=occasion,
            channel=way.channel,
            to=to,
            settings={"language": asking.language} | ({"from": way.sender} if isinstance(way, ByEmail) else {}),
            credential=credentials[way.channel],
        )
        for way in asking.notify
        for occasion, at, people in occasions
        if until is None or at < until
        for to in _recipients(way, occasion, people)
    )


def _recipients(way: Channel, occasion: str, people: list[str]) -> list[str]:
    if isinstance(way, ByEmail) and (not way.to or occasion == "escalation"):
        return list(dict.fromkeys(person for person in people if "@" in person))
    return list(dict.fromkeys(way.to))
