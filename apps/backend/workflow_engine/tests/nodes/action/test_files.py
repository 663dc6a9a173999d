"""action.extract_from_file and action.convert_to_file: every format there and back, and files that mean harm."""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook
from pypdf import PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

from tests.nodes.action.world import content, world
from tests.nodes.harness import failure, problems, records, run_node
from workflow_engine.engine.events import NodeSucceeded
from workflow_engine.engine.items import Item
from workflow_engine.nodes.action.convert_to_file import converted
from workflow_engine.nodes.action.extract_from_file import extracted
from workflow_engine.nodes.action.formats.documents import JsonFormat, JsonLinesFormat, YamlFormat
from workflow_engine.nodes.context import Context

EXTRACT, CONVERT = "action.extract_from_file", "action.convert_to_file"


@pytest.fixture
async def context(tmp_path: Path) -> AsyncIterator[Context]:
    async with world(tmp_path) as made:
        yield made


async def extract(context: Context, data: bytes | str, type: str, **options: Any) -> Any:
    """The event of reading `data`."""
    assert context.blobs
    data = data.encode() if isinstance(data, str) else data
    item = Item({"kept": 1}, {"data": await context.blobs.write(data, "x/y", "the file")})
    more: dict[str, Any] = {key: options.pop(key) for key in ("output_field", "text", "binary") if key in options}
    return await run_node(EXTRACT, {"format": {"type": type, **options}, **more}, [item], context=context)


async def convert(context: Context, items: list[dict[str, Any]], type: str, **options: Any) -> bytes:
    event = await run_node(CONVERT, {"format": {"type": type, **options}}, items, context=context)
    assert isinstance(event, NodeSucceeded), event
    [item] = event.outputs["main"]
    assert item.json["file_name"] == f"items.{type}"
    assert item.sources == tuple(range(len(items)))
    return await content(context, item.binary["data"])


# reading


@pytest.mark.parametrize(
    ("text", "options", "rows"),
    [
        ('a,b\n1,x\n2,"y,\n""z"""\n', {}, [{"a": "1", "b": "x"}, {"a": "2", "b": 'y,\n"z"'}]),
        ("\ufeffa;b\r\n1;2\r\n\r\n", {"delimiter": ";"}, [{"a": "1", "b": "2"}]),
        ("a,a,\n1,2,3\n", {}, [{"a": "1", "a_2": "2", "column_3": "3"}]),
        (
            "1,2\n3\n",
            {"header": False},
            [{"column_1": "1", "column_2": "2"}, {"column_1": "3", "column_2": None}],
        ),
        ("a,b\n1\n", {}, [{"a": "1", "b": None}]),
        ("a,b\n", {}, []),
        ("", {}, []),
    ],
)
async def test_csv(context: Context, text: str, options: dict[str, Any], rows: list[Any]) -> None:
    assert records(await extract(context, text, "csv", **options)) == rows


async def test_csv_in_another_encoding(context: Context) -> None:
    data = "name\nJürgen\n".encode("windows-1252")
    assert records(await extract(context, data, "csv", encoding="windows-1252")) == [{"name": "Jürgen"}]
    failed = failure(await extract(context, data, "csv"))
    assert (failed.reason, "encoding" in failed.hint) == ("INVALID_DATA", True)


def workbook(*rows: list[Any], title: str = "Data") -> bytes:
    book = Workbook()
    sheet = book.active
    assert sheet
    sheet.title = title
    for row in rows:
        sheet.append(row)
    book.create_sheet("Other").append(["x"])
    data = io.BytesIO()
    book.save(data)
    return data.getvalue()


async def test_xlsx_keeps_types(context: Context) -> None:
    data = workbook(["n", "on", "yes", "text"], [1.5, date(2025, 6, 15), True, "a"], [], [2, None, False, None])
    assert records(await extract(context, data, "xlsx")) == [
        {"n": 1.5, "on": "2025-06-15T00:00:00", "yes": True, "text": "a"},
        {"n": 2, "on": None, "yes": False, "text": None},
    ]


async def test_xlsx_names_the_sheets_there_are(context: Context) -> None:
    failed = failure(await extract(context, workbook(["a"]), "xlsx", sheet="Nope"))
    assert failed.hint == "it has Data, Other"
    assert records(await extract(context, workbook(["a"]), "xlsx", sheet="Other", header=False)) == [{"column_1": "x"}]


@pytest.mark.parametrize(
    ("type", "text", "items"),
    [
        ("json", '{"a": [1, 18446744073709551616]}', [{"a": [1, "18446744073709551616"]}]),
        ("json", "[1, {}]", [{"value": 1}, {}]),
        ("jsonl", '{"a": 1}\n\n[2]\n', [{"a": 1}, {"value": [2]}]),
        ("yaml", "a: 2025-06-15\nyes: true\n2: [x]\n", [{"a": "2025-06-15", "true": True, "2": ["x"]}]),
        (
            "xml",
            '<a id="1"><b>x</b><b/><c>t<d/></c></a>',
            [{"a": {"@id": "1", "b": ["x", None], "c": {"d": None, "#text": "t"}}}],
        ),
    ],
)
async def test_nested_data(context: Context, type: str, text: str, items: list[Any]) -> None:
    assert records(await extract(context, text, type)) == items


HTML = """<html><head><title>A &amp; B</title><style>p {}</style></head>
<body><h1>Prices</h1><p>One   <b>two</b></p><script>evil()</script>
<a href="/x" class=l>X</a><a class=l>Y</a></body></html>"""


async def test_html_as_text(context: Context) -> None:
    [page] = records(await extract(context, HTML, "html"))
    assert page["title"] == "A & B"
    assert "Prices" in page["text"].split("\n")
    assert "evil" not in page["text"]


async def test_html_by_selectors(context: Context) -> None:
    fields = {
        "head": {"selector": "h1"},
        "links": {"selector": "a.l", "attribute": "href", "all": True},
        "p": {"selector": "p"},
        "none": {"selector": "h6"},
    }
    assert records(await extract(context, HTML, "html", fields=fields)) == [
        {"head": "Prices", "links": ["/x", None], "p": "One two", "none": None}
    ]
    failed = failure(await extract(context, HTML, "html", fields={"x": {"selector": "a[["}}))
    assert "no CSS selector" in failed.message


def pdf(*texts: str, password: str = "") -> bytes:
    writer = PdfWriter()
    for text in texts:
        page = writer.add_blank_page(200, 200)
        font = DictionaryObject(
            {NameObject("/Type"): NameObject("/Font"), NameObject("/Subtype"): NameObject("/Type1"),
             NameObject("/BaseFont"): NameObject("/Helvetica")}
        )  # fmt: skip
        page[NameObject("/Resources")] = DictionaryObject(
            {NameObject("/Font"): DictionaryObject({NameObject("/F1"): font})}
        )
        stream = DecodedStreamObject()
        stream.set_data(f"BT /F1 12 Tf 20 100 Td ({text}) Tj ET".encode())
        page[NameObject("/Contents")] = writer._add_object(stream)
    if password:
        writer.encrypt(password)
    data = io.BytesIO()
    writer.write(data)
    return data.getvalue()


async def test_pdf_text_by_page(context: Context) -> None:
    [read] = records(await extract(context, pdf("Hello", "World"), "pdf"))
    assert read == {"text": "Hello\n\nWorld", "pages": ["Hello", "World"], "page_count": 2}
    [first] = records(await extract(context, pdf("Hello", "World"), "pdf", max_pages=1))
    assert (first["pages"], first["page_count"]) == (["Hello"], 2)


async def test_a_protected_pdf_wants_its_password(context: Context) -> None:
    data = pdf("Secret", password="open")
    assert "protected" in failure(await extract(context, data, "pdf")).message
    assert records(await extract(context, data, "pdf", password="open"))[0]["text"] == "Secret"


async def test_text_can_be_read_in_place_of_a_file_and_put_into_a_field(context: Context) -> None:
    event = await extract(context, "", "json", text="[1, 2]", output_field="list")
    assert records(event) == [{"kept": 1, "list": [1, 2]}]


async def test_no_items_in_none_out(context: Context) -> None:
    assert records(await run_node(EXTRACT, {"format": {"type": "json"}}, [], context=context)) == []
    assert records(await run_node(CONVERT, {"format": {"type": "json"}}, [], context=context)) == []


# files that mean harm


def zipped(size: int) -> bytes:
    data = io.BytesIO()
    with (
        zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as packed,
        packed.open("xl/workbook.xml", "w") as entry,
    ):
        for _ in range(size >> 20):
            entry.write(bytes(1 << 20))
    return data.getvalue()


BILLION = "a: &a [1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(9)
)


@pytest.mark.parametrize(
    ("type", "data"),
    [
        ("yaml", BILLION),
        ("yaml", "a: &a\n  b: *a\n"),
        ("yaml", "!!python/object/apply:os.system ['true']"),
        ("yaml", "[" * 5_000),
        ("yaml", "x: .nan"),
        ("xml", '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'),
        ("xml", '<!DOCTYPE a [<!ENTITY b "x"><!ENTITY c "&b;&b;">]><a>&c;</a>'),
        ("xml", "<a>" * 5_000 + "</a>" * 5_000),
        ("xml", "<a><b></a>"),
        ("json", "[" * 100_000),
        ("json", '{"a": NaN}'),
        ("jsonl", '{"a": 1}\n{'),
        ("csv", "a,b\n1,2,3\n"),
        ("csv", 'a\n"open'),
        ("xlsx", "no workbook"),
        ("xlsx", zipped(520 << 20)),
        ("pdf", "no pdf"),
        ("pdf", pdf("x")[:200]),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "bytes",
)
async def test_a_file_that_is_broken_or_means_harm_is_refused(context: Context, type: str, data: Any) -> None:
    failed = failure(await extract(context, data, type))
    assert (failed.reason, failed.retryable) == ("INVALID_DATA", False), failed
    assert failed.hint


# writing

ROWS = [{"id": 1, "tags": ["a"], "ok": True}, {"id": 2, "note": "=1+1"}]


async def test_csv_has_all_columns_and_no_formulas(context: Context) -> None:
    expected = b'id,tags,ok,note\r\n1,"[""a""]",true,\r\n2,,,\'=1+1\r\n'
    assert await convert(context, ROWS, "csv") == expected
    raw = await convert(context, ROWS, "csv", escape_formulas=False, header=False, delimiter=";")
    assert raw == b'1;"[""a""]";true;\r\n2;;;=1+1\r\n'


async def test_xlsx_keeps_text_that_looks_like_a_formula(context: Context) -> None:
    sheet = load_workbook(io.BytesIO(await convert(context, ROWS, "xlsx", sheet="My rows")))["My rows"]
    assert [[cell.value for cell in row] for row in sheet.rows] == [
        ["id", "tags", "ok", "note"],
        [1, '["a"]', True, None],
        [2, None, None, "=1+1"],
    ]
    assert sheet["D3"].data_type == "s"


async def test_xml_has_one_element_an_item(context: Context) -> None:
    text = (await convert(context, [{"a": 1, "@id": "x"}, {"b": "<"}], "xml", root="rows", element="row")).decode()
    assert text.endswith('<rows><row id="x"><a>1</a></row><row><b>&lt;</b></row></rows>')


async def test_a_field_that_can_not_be_an_element_is_said_to_be_one(context: Context) -> None:
    event = await run_node(CONVERT, {"format": {"type": "xml"}}, [{"a><b": 1}], context=context)
    assert failure(event).reason == "INVALID_DATA"


scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
texts = st.text(st.characters(exclude_categories=("Cs", "Cc")))
values = st.recursive(
    scalars | texts, lambda each: st.lists(each, max_size=3) | st.dictionaries(texts, each, max_size=3)
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.dictionaries(texts, values, max_size=4), max_size=4))
@pytest.mark.parametrize("format", [JsonFormat(type="json"), JsonLinesFormat(type="jsonl"), YamlFormat(type="yaml")])
def test_what_is_written_can_be_read_back(format: Any, items: list[dict[str, Any]]) -> None:
    assert extracted(converted(items, format), format) == items


def test_mistakes_are_found_when_saving() -> None:
    assert problems(EXTRACT, {"format": {"type": "docx"}})
    assert problems(EXTRACT, {"format": {"type": "csv"}, "slot": "x"}) == [
        "parameters.slot: there is no parameter 'slot'"
    ]
    assert problems(CONVERT, {"format": {"type": "pdf"}})
    assert problems(CONVERT, {"format": {"type": "xml", "root": "a b"}})
    assert problems(CONVERT, {"format": {"type": "csv"}, "name": "x"})


# plain text and Base64


async def test_text_is_read_and_written_as_it_stands(context: Context) -> None:
    assert records(await extract(context, "a,b\n", "text")) == [{"text": "a,b\n"}]
    latin = "Grüße".encode("latin-1")
    assert records(await extract(context, latin, "text", encoding="latin-1", field="said")) == [{"said": "Grüße"}]
    assert failure(await extract(context, latin, "text")).reason == "INVALID_DATA"
    event = await run_node(CONVERT, {"format": {"type": "text"}}, [{"text": "a"}, {"text": 1}], context=context)
    assert isinstance(event, NodeSucceeded), event
    (item,) = event.outputs["main"]
    assert (item.json["file_name"], item.json["media_type"]) == ("items.txt", "text/plain")
    assert await content(context, item.binary["data"]) == b"a\n1"


async def test_any_file_passes_through_base64(context: Context) -> None:
    data = bytes(range(256))
    (record,) = records(await extract(context, data, "base64"))
    format = {"type": "base64", "media_type": "image/png"}
    given = [{"data": record["data"], "n": 1}, {"data": "data:text/csv;base64,YTti", "n": 2}, {"data": "-_8", "n": 3}]
    event = await run_node(CONVERT, {"format": format}, given, context=context)
    assert isinstance(event, NodeSucceeded), event
    files = [(item.json["n"], item.json["file_name"], item.json["media_type"]) for item in event.outputs["main"]]
    assert files == [(1, "file.png", "image/png"), (2, "file.csv", "text/csv"), (3, "file.png", "image/png")]
    held = [await content(context, item.binary["data"]) for item in event.outputs["main"]]
    assert held == [data, b"a;b", b"\xfb\xff"]
    assert all("data" not in item.json for item in event.outputs["main"])


@pytest.mark.parametrize("given", [{"data": "what?!"}, {"other": 1}, {"data": None}])
async def test_what_is_no_base64_is_named(context: Context, given: dict[str, Any]) -> None:
    failed = failure(await run_node(CONVERT, {"format": {"type": "base64"}}, [given], context=context))
    assert failed.reason == "INVALID_DATA"
