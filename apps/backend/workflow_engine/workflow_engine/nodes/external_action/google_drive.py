"""external_action.google_drive: files and folders."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from typing import Annotated, Literal

from workflow_engine.engine.items import Item
from workflow_engine.nodes.action.http.body import stored
from workflow_engine.nodes.context import Blobs
from workflow_engine.nodes.external_action.google import TOKENS
from workflow_engine.nodes.external_action.service import (
    CallApi,
    CamelListing,
    CamelOperation,
    Encoded,
    Field,
    Service,
    delete,
    get,
    patch,
    post,
    slot,
)
from workflow_engine.nodes.spec import Json, Parameters
from workflow_engine.utils import json

FOLDER = "application/vnd.google-apps.folder"
FIELDS = "id,name,mimeType,size,parents,createdTime,modifiedTime,webViewLink,trashed,md5Checksum"
"""What is told of a file; the service alone would tell less."""


class OnFile(CamelOperation):
    file_id: str
    """The file or folder, from its address: `drive.google.com/file/d/<this>/view`."""


class Told(CamelOperation):
    """An operation that gives a file's description, from shared drives too."""

    def query(self) -> dict[str, Json]:
        return {**super().query(), "fields": FIELDS, "supportsAllDrives": True}


class ListFiles(CamelListing):
    """Files and folders."""

    operation: Literal["file.list"]
    q: str | None = None
    """Only those that fit, as in `name contains 'invoice' and trashed = false`."""
    folder_id: str | None = None
    """Only those in this folder; `root` is the account's own."""
    order_by: str | None = None
    """For example `modifiedTime desc` or `folder,name`."""
    http = get("/drive/v3/files", records="files", page_size=("pageSize", 1000), **TOKENS)

    def query(self) -> dict[str, Json]:
        query = super().query()
        if self.folder_id is not None:
            del query["folderId"]
            quoted = self.folder_id.replace("\\", "\\\\").replace("'", "\\'")
            query["q"] = " and ".join(filter(None, [f"'{quoted}' in parents", self.q and f"({self.q})"]))
        every = {"supportsAllDrives": True, "includeItemsFromAllDrives": True}
        return {**query, "fields": f"nextPageToken,files({FIELDS})", **every}


class GetFile(OnFile, Told):
    """What is known of a file."""

    operation: Literal["file.get"]
    http = get("/drive/v3/files/{file_id}")


class DownloadFile(OnFile):
    """A file's bytes, in slot `data`. A document of Google's own has none: export it."""

    operation: Literal["file.download"]
    http = get("/drive/v3/files/{file_id}")
    gives_file = True

    def query(self) -> dict[str, Json]:
        return {"alt": "media", "supportsAllDrives": True}


class ExportFile(OnFile):
    """A document, sheet or slides as a file of a usual kind, in slot `data`."""

    operation: Literal["file.export"]
    mime_type: str = "application/pdf"
    """Its kind, e.g. `text/csv` for a sheet or `text/plain` for a document."""
    http = get("/drive/v3/files/{file_id}/export")
    gives_file = True


class UploadFile(Told):
    """Makes a file of binary data; it is sent as a stream of any size."""

    operation: Literal["file.upload"]
    binary: str = "data"
    """The item's binary slot."""
    name: str | None = None
    """By default the file's own."""
    folder_id: str | None = None
    """Where to; by default the account's own folder."""
    mime_type: str | None = None
    """By default the file's own; one of Google's makes a document of it, such as
    `application/vnd.google-apps.spreadsheet`."""
    http = post("/upload/drive/v3/files")

    def query(self) -> dict[str, Json]:
        return {"uploadType": "multipart", **super().query()}

    def body(self) -> Json:
        return None

    def sends(self, item: Item, blobs: Blobs | None) -> Encoded:
        ref, store = stored(item, self.binary, blobs, "action.binary")
        about: dict[str, Json] = {"name": self.name or ref.file_name or self.binary}
        about |= {"mimeType": self.mime_type} if self.mime_type else {}
        about |= {"parents": [self.folder_id]} if self.folder_id else {}
        boundary = secrets.token_hex(16)
        media_type = ref.media_type.replace("\r", "").replace("\n", "")
        head = f"--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n".encode() + json.dumps(about)
        head += f"\r\n--{boundary}\r\nContent-Type: {media_type}\r\n\r\n".encode()
        tail = f"\r\n--{boundary}--\r\n".encode()

        async def stream() -> AsyncIterator[bytes]:
            yield head
            async for chunk in store.read(ref):
                yield chunk
            yield tail

        size = len(head) + ref.size + len(tail)
        kind = f"multipart/related; boundary={boundary}"
        return Encoded(stream(), {"Content-Type": kind, "Content-Length": str(size)})


class CreateFolder(Told):
    """Makes a folder."""

    operation: Literal["folder.create"]
    name: str
    """Its name; Drive allows several of the same."""
    folder_id: str | None = None
    """Where; by default the account's own folder."""
    http = post("/drive/v3/files")

    def body(self) -> Json:
        where = {"parents": [self.folder_id]} if self.folder_id else {}
        return {"name": self.name, "mimeType": FOLDER, **where}


class CopyFile(OnFile, Told):
    """Copies a file."""

    operation: Literal["file.copy"]
    name: str | None = None
    """Of the copy."""
    folder_id: str | None = None
    """Where the copy goes; by default beside the file."""
    http = post("/drive/v3/files/{file_id}/copy")

    def body(self) -> Json:
        named: dict[str, Json] = {"name": self.name} if self.name else {}
        return named | ({"parents": [self.folder_id]} if self.folder_id else {})


class UpdateFile(OnFile, Told):
    """Renames a file, moves it, or puts it into the bin and takes it out again."""

    operation: Literal["file.update"]
    name: str | None = None
    """Its new name."""
    description: str | None = None
    """What it is about."""
    trashed: bool | None = None
    """Whether it is in the bin."""
    add_parents: str | None = None
    """The folder to put it into."""
    remove_parents: str | None = None
    """The folder to take it out of, as a file lies in one only."""
    http = patch("/drive/v3/files/{file_id}", query=["add_parents", "remove_parents"])


class DeleteFile(OnFile):
    """Deletes a file for good; a folder with all that is in it."""

    operation: Literal["file.delete"]
    http = delete("/drive/v3/files/{file_id}")

    def query(self) -> dict[str, Json]:
        return {"supportsAllDrives": True}


class Share(OnFile):
    """Lets somebody see or change a file."""

    operation: Literal["permission.create"]
    type: Literal["user", "group", "domain", "anyone"]
    """Whom; `anyone` needs no address."""
    role: Literal["reader", "commenter", "writer", "fileOrganizer", "organizer", "owner"]
    """What they may do."""
    email_address: str | None = None
    """Of the user or group."""
    domain: str | None = None
    """For `domain`."""
    send_notification_email: bool | None = None
    """Whether they are told by mail."""
    http = post("/drive/v3/files/{file_id}/permissions", query=["send_notification_email"])

    def query(self) -> dict[str, Json]:
        return {**super().query(), "supportsAllDrives": True}


class About(CamelOperation):
    """Whose account it is, and how much room it has."""

    operation: Literal["about.get"]
    http = get("/drive/v3/about")

    def query(self) -> dict[str, Json]:
        return {"fields": "user,storageQuota"}


class GoogleDriveParameters(Parameters):
    """What to do."""

    action: Annotated[
        ListFiles
        | GetFile
        | DownloadFile
        | ExportFile
        | UploadFile
        | CreateFolder
        | CopyFile
        | UpdateFile
        | DeleteFile
        | Share
        | About
        | CallApi,
        Field(discriminator="operation"),
    ]
    """The operation and what it takes."""


class GoogleDrive(Service[GoogleDriveParameters]):
    """Works on files and folders of Google Drive, shared drives too, that the credential was granted access to.

    What is told of a file is `id`, `name`, `mimeType`, `size`, `parents`, `createdTime`, `modifiedTime`, `webViewLink`,
    `trashed` and `md5Checksum`. Making a file, a folder or a copy is not repeated after a crash.
    """

    type = "external_action.google_drive"
    name = "Google Drive"
    summary = "Files and folders."
    base_url = "https://www.googleapis.com"
    documentation_url = "https://developers.google.com/workspace/drive/api/reference/rest/v3"
    credentials = slot("oauth2")
    example = {
        "action": {
            "operation": "file.list",
            "folder_id": "{{ json.folder }}",
            "q": "mimeType = 'application/pdf' and trashed = false",
        }
    }
