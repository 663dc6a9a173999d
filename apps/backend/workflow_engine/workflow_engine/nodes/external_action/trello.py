"""external_action.trello: cards on Trello boards."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import SecretStr

from workflow_engine.nodes.action.http.auth import Signature
from workflow_engine.nodes.external_action.service import (
    Account,
    CallApi,
    CamelOperation,
    Field,
    Service,
    delete,
    get,
    kind,
    post,
    put,
    slot,
)
from workflow_engine.nodes.spec import Parameters


@kind
class TrelloKey(Account):
    """The key of a Trello Power-Up, and a token that a person granted it."""

    type = "trello"
    title = "Trello key and token"
    key: SecretStr = Field(min_length=1)
    """The API key."""
    probed = ("external_action.trello", {"operation": "member.me"})


class CreateCard(CamelOperation):
    """Makes a card."""

    operation: Literal["card.create"]
    id_list: str
    """The list it stands in."""
    name: str
    """Its title."""
    desc: str | None = None
    """What it says; Markdown."""
    due: str | None = None
    """When it is due (ISO 8601)."""
    id_labels: list[str] | None = None
    """Labels by id."""
    id_members: list[str] | None = None
    """Members by id."""
    pos: str | None = None
    """`top`, `bottom` or a number."""
    http = post("/cards")


class GetCard(CamelOperation):
    """One card."""

    operation: Literal["card.get"]
    card: str
    """The card."""
    http = get("/cards/{card}")


class UpdateCard(CamelOperation):
    """Changes a card, or moves it."""

    operation: Literal["card.update"]
    card: str
    """The card."""
    name: str | None = None
    """The new title."""
    desc: str | None = None
    """What it says now."""
    id_list: str | None = None
    """The list it stands in from now on."""
    due: str | None = None
    """When it is due (ISO 8601)."""
    due_complete: bool | None = None
    """It is done."""
    closed: bool | None = None
    """Archive it, or bring it back."""
    http = put("/cards/{card}")


class DeleteCard(CamelOperation):
    """Deletes a card."""

    operation: Literal["card.delete"]
    card: str
    """The card."""
    http = delete("/cards/{card}")


class Comment(CamelOperation):
    """Comments on a card."""

    operation: Literal["card.comment"]
    card: str
    """The card."""
    text: str
    """What to say."""
    http = post("/cards/{card}/actions/comments")


class ListCards(CamelOperation):
    """The cards of a list."""

    operation: Literal["card.list"]
    list_id: str
    """The list."""
    http = get("/lists/{list_id}/cards")


class ListLists(CamelOperation):
    """The lists of a board."""

    operation: Literal["list.list"]
    board: str
    """The board."""
    http = get("/boards/{board}/lists")


class CreateList(CamelOperation):
    """Makes a list."""

    operation: Literal["list.create"]
    id_board: str
    """The board."""
    name: str
    """Its title."""
    http = post("/lists")


class ListBoards(CamelOperation):
    """The boards of the account."""

    operation: Literal["board.list"]
    http = get("/members/me/boards")


class GetMe(CamelOperation):
    """Whose token it is."""

    operation: Literal["member.me"]
    http = get("/members/me")


class TrelloParameters(Parameters):
    """What to do."""

    action: Annotated[
        CreateCard
        | GetCard
        | UpdateCard
        | DeleteCard
        | Comment
        | ListCards
        | ListLists
        | CreateList
        | ListBoards
        | GetMe
        | CallApi,
        Field(discriminator="operation"),
    ]
    """The operation and what it takes."""


class Trello(Service[TrelloParameters]):
    """Works with boards, lists and cards that a person's token may see. Making a card is not repeated after a crash."""

    type = "external_action.trello"
    summary = "Cards on Trello boards."
    base_url = "https://api.trello.com/1"
    documentation_url = "https://developer.atlassian.com/cloud/trello/rest/"
    credentials = slot("trello")
    example = {"action": {"operation": "card.create", "id_list": "5f1a", "name": "{{ json.title }}"}}

    def signature(self, secret: dict[str, Any]) -> Signature:
        # In a header, because servers log what they are asked for.
        return Signature(
            {"Authorization": f'OAuth oauth_consumer_key="{secret["key"]}", oauth_token="{secret["token"]}"'}
        )
