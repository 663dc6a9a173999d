"""Records of a sheet, against a server that keeps cells as Google does."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from tests.nodes.action.world import world
from tests.nodes.harness import failure, records, run_node
from tests.runtime.peers import peer
from workflow_engine.engine.events import AnyEvent
from workflow_engine.nodes.context import Context

RANGE = re.compile(
    r"/v4/spreadsheets/s/values/(?:'(?P<sheet>.*)'!)?(?P<from>[A-Z]*)(?P<row>\d*)(?::[A-Z]*\d*)?(?P<append>:append)?$"
)


@dataclass
class Sheet:
    """A sheet's cells, and a way to it."""

    context: Context
    rows: list[list[Any]] = field(default_factory=list)

    async def run(self, operation: str, **action: Any) -> AnyEvent:
        given = {"operation": operation, "spreadsheet_id": "s", "sheet": "My orders", **action}
        return await run_node(
            "external_action.google_sheets", {"action": given}, context=self.context, credentials={"auth": "account"}
        )


@asynccontextmanager
async def sheet(folder: Path, *rows: list[Any]) -> AsyncIterator[Sheet]:
    cells = [list(row) for row in rows]

    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.headers["Authorization"] == "Bearer google-token"
        place = RANGE.match(unquote(request.raw_path.partition("?")[0]))
        assert place, request.raw_path
        assert place["sheet"] == "My orders"
        if request.method == "GET":
            found = cells[: int(place["row"])] if place["row"] else cells
            return web.json_response({"values": found} if found else {})
        new = (await request.json())["values"]
        assert request.query["valueInputOption"] == "USER_ENTERED"
        if place["append"]:
            cells.extend(new)
            return web.json_response({"updates": {"updatedRange": f"'My orders'!A{len(cells)}:C{len(cells)}"}})
        for offset, row in enumerate(new):
            at = int(place["row"]) - 1 + offset
            cells.extend([] for _ in range(at + 1 - len(cells)))
            old = cells[at] + [""] * (len(row) - len(cells[at]))
            # null leaves a cell as it is.
            cells[at] = [before if now is None else now for before, now in zip(old, row, strict=False)]
        return web.json_response({"updatedRows": len(new)})

    async with peer(answer) as there:
        secret = {"type": "oauth2", "access_token": "google-token", "base_url": f"{there.url}/v4"}
        async with world(folder, account=secret) as context:
            yield Sheet(context, cells)


async def test_a_record_goes_under_the_columns_of_its_names(tmp_path: Path) -> None:
    async with sheet(tmp_path, ["Id", "Total"], [1, 5]) as orders:
        assert records(await orders.run("record.append", record={"Total": 9.5, "Id": 2})) == [
            {"row_number": 3, "Total": 9.5, "Id": 2}
        ]
        assert orders.rows == [["Id", "Total"], [1, 5], [2, 9.5]]


async def test_an_empty_sheet_gets_its_columns_from_the_record(tmp_path: Path) -> None:
    async with sheet(tmp_path) as orders:
        await orders.run("record.append", record={"Id": 1, "Name": "ada"})
        assert dict(zip(*orders.rows, strict=True)) == {"Id": 1, "Name": "ada"}


async def test_a_column_that_is_not_there_is_added_ignored_or_refused(tmp_path: Path) -> None:
    async with sheet(tmp_path, ["Id"]) as orders:
        failed = failure(await orders.run("record.append", record={"Id": 1, "Idd": 2}, extra="fail"))
        assert (failed.reason, failed.field) == ("INVALID_PARAMETER", "action.record")
        assert "'Idd'" in failed.message
        await orders.run("record.append", record={"Id": 1, "Idd": 2}, extra="ignore")
        assert orders.rows == [["Id"], [1]]
        await orders.run("record.append", record={"Id": 2, "Note": "x"})
        assert orders.rows == [["Id", "Note"], [1], [2, "x"]]


async def test_an_update_changes_the_row_that_fits_and_keeps_its_other_cells(tmp_path: Path) -> None:
    async with sheet(tmp_path, ["Id", "Total", "Note"], ["1", 5, "a"], [2, 6, "b"]) as orders:
        updated = await orders.run("record.update", match_on=["Id"], record={"Id": 2, "Total": 7})
        assert records(updated) == [{"row_number": 3, "Id": 2, "Total": 7}]
        assert orders.rows[2] == [2, 7, "b"]
        await orders.run("record.update", match_on=["Id"], record={"Id": 1, "Note": "c"})
        assert orders.rows[1] == [1, 5, "c"]
        failed = failure(await orders.run("record.update", match_on=["Id"], record={"Id": 3}))
        assert failed.reason == "NOT_FOUND"
        assert "record.upsert" in failed.hint


async def test_an_upsert_adds_what_is_not_there_and_twice_is_the_same_as_once(tmp_path: Path) -> None:
    async with sheet(tmp_path, ["Id", "Total"]) as orders:
        for _ in range(2):
            await orders.run("record.upsert", match_on=["Id"], record={"Id": "x", "Total": 1})
        assert orders.rows == [["Id", "Total"], ["x", 1]]


async def test_records_are_found_by_what_their_columns_hold(tmp_path: Path) -> None:
    async with sheet(tmp_path, ["Id", "Open"], [1, True], [2, False], [3]) as orders:
        assert records(await orders.run("record.find", match={"Open": True})) == [
            {"row_number": 2, "Id": 1, "Open": True}
        ]
        assert records(await orders.run("record.find", match={"Open": ""})) == [{"row_number": 4, "Id": 3, "Open": ""}]
        assert len(records(await orders.run("record.find", limit=2))) == 2
