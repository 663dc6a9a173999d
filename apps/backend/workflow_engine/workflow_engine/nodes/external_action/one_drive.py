"""external_action.one_drive: files of OneDrive and SharePoint, through Microsoft Graph."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal
from urllib.parse import quote

from workflow_engine.engine.items import Item
from workflow_engine.nodes.action.http.body import stored
from workflow_engine.nodes.context import Blobs
from workflow_engine.nodes.external_action.microsoft import GRAPH, PAGES, GraphListing
from workflow_engine.nodes.external_action.service import (
    CallApi,
    CamelOperation,
    Encoded,
    Field,
    Service,
    delete,
    get,
    patch,
    post,
    put,
    slot,
)
from workflow_engine.nodes.spec import Json, NodeFailure, Parameters

MOST_BYTES = 250 << 20
"""Graph takes larger files in a session of their own only."""


def _place(where: str) -> str:
    """An item by its id, or by its path when that begins with a slash. Raises NodeFailure."""
    parts = [part for part in where.split("/") if part]
    if not where or not {".", ".."}.isdisjoint(parts):
        raise NodeFailure("INVALID_PARAMETER", f"{where!r} is neither an id nor a path such as /Reports/june.csv")
    if where.startswith("/"):
        return f"/root:/{'/'.join(quote(part, safe='') for part in parts)}:" if parts else "/root"
    return f"/items/{quote(where, safe='')}"


class OnDrive(CamelOperation):
    drive_id: str | None = None
    """The drive, e.g. a SharePoint library's; the account's own when left out."""
    apart: ClassVar[frozenset[str]] = frozenset({"operation", "drive_id", "item", "folder"})

    def drive(self) -> str:
        return f"/drives/{quote(self.drive_id, safe='')}" if self.drive_id else "/me/drive"


class OnItem(OnDrive):
    item: str = Field(min_length=1)
    """The file or folder: its id, or its path such as `/Reports/june.csv`."""
    below: ClassVar[str] = ""
    """What follows the item in the path."""

    def path(self) -> str:
        return self.drive() + _place(self.item) + self.below


class ListItems(OnDrive, GraphListing):
    """What is in a folder."""

    operation: Literal["item.list"]
    folder: str = "/"
    """The folder: its id, or its path such as `/Reports`."""
    http = get("", page_size=("$top", 200), **PAGES)
    apart = frozenset({"operation", "limit", "drive_id", "folder"})

    def path(self) -> str:
        return f"{self.drive()}{_place(self.folder)}/children"


class SearchItems(OnDrive, GraphListing):
    """Files and folders whose name or content has some words."""

    operation: Literal["item.search"]
    words: str = Field(min_length=1)
    """What to look for."""
    http = get("", page_size=("$top", 200), **PAGES)
    apart = frozenset({"operation", "limit", "drive_id", "words"})

    def path(self) -> str:
        quoted = quote(self.words.replace("'", "''"), safe="")
        return f"{self.drive()}/root/search(q='{quoted}')"


class GetItem(OnItem):
    """What is known of a file or folder."""

    operation: Literal["item.get"]
    http = get("")


class DownloadFile(OnItem):
    """A file's bytes, in slot `data`."""

    operation: Literal["file.download"]
    below = "/content"
    http = get("")
    gives_file = True


class UploadFile(OnDrive):
    """Makes a file of binary data of up to 250 MB, or replaces the one of that name."""

    operation: Literal["file.upload"]
    binary: str = "data"
    """The item's binary slot."""
    folder: str = "/"
    """Where to: the folder's id, or its path, which is made when it is not there."""
    name: str = Field(min_length=1, max_length=400)
    """Its name; `{{ item.binary.data.file_name }}` is the file's own."""
    http = put("")
    apart = frozenset({"operation", "drive_id", "folder", "name", "binary"})

    def path(self) -> str:
        place = _place(self.folder)
        between = "" if place.endswith(":") else ":"
        return f"{self.drive()}{place.rstrip(':')}{between}/{quote(self.name, safe='')}:/content"

    def body(self) -> Json:
        return None

    def sends(self, item: Item, blobs: Blobs | None) -> Encoded:
        ref, store = stored(item, self.binary, blobs, "action.binary")
        if ref.size > MOST_BYTES:
            raise NodeFailure("FILE_TOO_LARGE", "the file has more than 250 MB", field="action.binary")
        media_type = ref.media_type.replace("\r", "").replace("\n", "")
        return Encoded(store.read(ref), {"Content-Type": media_type, "Content-Length": str(ref.size)})


class CreateFolder(OnDrive):
    """Makes a folder."""

    operation: Literal["folder.create"]
    name: str = Field(min_length=1, max_length=400)
    """Its name."""
    folder: str = "/"
    """In which folder: its id or path."""
    conflict: Literal["fail", "rename", "replace"] = "fail"
    """What happens when there is one of that name."""
    http = post("")

    def path(self) -> str:
        return f"{self.drive()}{_place(self.folder)}/children"

    def body(self) -> Json:
        return {"name": self.name, "folder": {}, "@microsoft.graph.conflictBehavior": self.conflict}


class UpdateItem(OnItem):
    """Renames a file or folder, or moves it."""

    operation: Literal["item.update"]
    name: str | None = None
    """Its new name."""
    to_folder_id: str | None = None
    """The folder to move it into, by id."""
    http = patch("")

    def body(self) -> Json:
        moved: dict[str, Json] = {"parentReference": {"id": self.to_folder_id}} if self.to_folder_id else {}
        return moved | ({"name": self.name} if self.name else {})


class DeleteItem(OnItem):
    """Moves a file or folder to the bin."""

    operation: Literal["item.delete"]
    http = delete("")


class CreateLink(OnItem):
    """Makes a link to share."""

    operation: Literal["link.create"]
    type: Literal["view", "edit", "embed"] = "view"
    """What those who have it may do."""
    scope: Literal["anonymous", "organization", "users"] = "organization"
    """For whom it works."""
    below = "/createLink"
    http = post("", records="link")


class SearchSites(GraphListing):
    """SharePoint sites."""

    operation: Literal["site.search"]
    words: str = Field(default="*", serialization_alias="search")
    """What to look for; `*` for all."""
    http = get("/sites", **PAGES)


class ListDrives(GraphListing):
    """The document libraries of a SharePoint site."""

    operation: Literal["drive.list"]
    site_id: str
    """The site, e.g. `contoso.sharepoint.com,8f2c,9a1b`."""
    http = get("/sites/{site_id}/drives", **PAGES)


class GetDrive(OnDrive):
    """A drive: whose it is, and how much room it has."""

    operation: Literal["drive.get"]
    http = get("")

    def path(self) -> str:
        return self.drive()


class OneDriveParameters(Parameters):
    """What to do."""

    action: Annotated[
        ListItems
        | SearchItems
        | GetItem
        | DownloadFile
        | UploadFile
        | CreateFolder
        | UpdateItem
        | DeleteItem
        | CreateLink
        | SearchSites
        | ListDrives
        | GetDrive
        | CallApi,
        Field(discriminator="operation"),
    ]
    """The operation and what it takes."""


class OneDrive(Service[OneDriveParameters]):
    """Works on files of OneDrive and SharePoint that the person who granted access (provider `microsoft`) may see.

    For a SharePoint library, find its site with `site.search` and its drive with `drive.list`, and give `drive_id`.
    Making a folder or a link is not repeated after a crash.
    """

    type = "external_action.one_drive"
    name = "OneDrive and SharePoint"
    summary = "Files and folders of Microsoft 365."
    base_url = GRAPH
    documentation_url = "https://learn.microsoft.com/graph/api/resources/onedrive"
    credentials = slot("oauth2")
    example = {"action": {"operation": "item.list", "folder": "/Reports"}}
