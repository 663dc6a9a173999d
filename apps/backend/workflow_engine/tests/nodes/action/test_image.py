"""action.image on pictures made by Pillow, and on some that are none."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.nodes.action.world import content, world
from tests.nodes.harness import failure, problems, records, run_node
from workflow_engine.engine.events import NodeSucceeded
from workflow_engine.engine.items import Item
from workflow_engine.nodes.context import Context

TYPE = "action.image"


@pytest.fixture
async def context(tmp_path: Path) -> AsyncIterator[Context]:
    async with world(tmp_path) as made:
        yield made


def saved(picture: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, format, **options)
    return out.getvalue()


def quarters(width: int = 40, height: int = 20) -> Image.Image:
    """Red at the upper left; green, blue and half-transparent black clockwise from there."""
    picture = Image.new("RGBA", (width, height))
    colours = [(255, 0, 0, 255), (0, 255, 0, 255), (0, 0, 255, 255), (0, 0, 0, 128)]
    places = [(0, 0), (width // 2, 0), (width // 2, height // 2), (0, height // 2)]
    for colour, (left, top) in zip(colours, places, strict=True):
        picture.paste(colour, (left, top, left + width // 2, top + height // 2))
    return picture


async def run(context: Context, data: bytes, do: dict[str, Any], name: str = "a.png") -> Any:
    assert context.blobs
    ref = await context.blobs.write(data, "image/png", name)
    return await run_node(TYPE, {"do": do}, [Item({"id": 7}, {"data": ref})], context=context)


async def edited(context: Context, data: bytes, *steps: dict[str, Any], **options: Any) -> Image.Image:
    event = await run(context, data, {"operation": "edit", "steps": list(steps), **options})
    assert isinstance(event, NodeSucceeded), event
    [item] = event.outputs["main"]
    picture = Image.open(io.BytesIO(await content(context, item.binary["data"])))
    told = item.json["image"]
    assert (told["width"], told["height"], told["format"]) == (*picture.size, (picture.format or "").lower())
    return picture


async def test_what_a_picture_is(context: Context) -> None:
    event = await run(context, saved(quarters()), {"operation": "info"})
    told = {"format": "png", "width": 40, "height": 20, "mode": "RGBA", "animated": False}
    assert records(event) == [{"id": 7, "image": told}]
    moving = saved(quarters(), "GIF", save_all=True, append_images=[quarters(40, 20).rotate(180)])
    assert records(await run(context, moving, {"operation": "info"}))[0]["image"]["animated"] is True


@pytest.mark.parametrize(
    ("step", "size"),
    [
        ({"width": 20}, (20, 10)),
        ({"height": 40}, (80, 40)),
        ({"width": 10, "height": 10}, (10, 5)),
        ({"width": 10, "height": 10, "fit": "cover"}, (10, 10)),
        ({"width": 10, "height": 10, "fit": "stretch"}, (10, 10)),
        ({"width": 400, "enlarge": False}, (40, 20)),
        ({"width": 1, "height": None}, (1, 1)),
    ],
)
async def test_sizes(context: Context, step: dict[str, Any], size: tuple[int, int]) -> None:
    assert (await edited(context, saved(quarters()), {"step": "resize", **step})).size == size


async def test_steps_are_done_one_after_the_other(context: Context) -> None:
    picture = await edited(
        context,
        saved(quarters()),
        {"step": "rotate", "degrees": 90},
        {"step": "flip"},
        {"step": "crop", "left": 0, "top": 0, "width": 10, "height": 20},
    )
    assert picture.size == (10, 20)
    assert picture.getpixel((5, 5)) == (255, 0, 0, 255)
    grey = await edited(context, saved(quarters().convert("RGB")), {"step": "grayscale"})
    assert grey.mode == "L"


@pytest.mark.parametrize("format", ["png", "jpeg", "webp", "gif", "tiff", "bmp"])
@pytest.mark.parametrize("mode", ["RGBA", "RGB", "L", "LA", "P", "1", "CMYK", "I;16"])
async def test_each_kind_of_picture_becomes_each_format(context: Context, mode: str, format: str) -> None:
    source = quarters().convert("L").convert("I;16") if mode == "I;16" else quarters().convert(mode)
    data = saved(source, "TIFF" if mode in ("CMYK", "I;16") else "PNG")
    picture = await edited(context, data, {"step": "resize", "width": 20}, format=format)
    assert picture.size == (20, 10)


async def test_transparency_shows_the_background_where_there_is_none(context: Context) -> None:
    picture = await edited(context, saved(quarters()), format="bmp", background="#ffff00")
    red, green, blue = picture.getpixel((5, 15))  # type: ignore[misc]
    assert (abs(red - 127) < 3, abs(green - 127) < 3, blue) == (True, True, 0)


async def test_the_camera_s_rotation_is_applied_and_its_notes_are_left_out(context: Context) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "A camera"
    picture = await edited(context, saved(quarters().convert("RGB"), "JPEG", exif=exif, quality=95))
    assert picture.size == (20, 40)
    assert not picture.getexif()


async def test_the_name_follows_the_format(context: Context) -> None:
    event = await run(context, saved(quarters()), {"operation": "edit", "format": "jpeg"}, "holiday.photo.png")
    assert isinstance(event, NodeSucceeded)
    ref = event.outputs["main"][0].binary["data"]
    assert (ref.file_name, ref.media_type) == ("holiday.photo.jpg", "image/jpeg")


def claiming(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it has so many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(8001, 8001), (30_000, 30_000), (2**31 - 1, 2**31 - 1)])
@pytest.mark.parametrize("operation", ["info", "edit"])
async def test_a_bomb_is_refused_before_it_is_unfolded(context: Context, size: tuple[int, int], operation: str) -> None:
    failed = failure(await run(context, claiming(*size), {"operation": operation}))
    assert failed.reason == "IMAGE_TOO_LARGE"


async def test_a_small_picture_does_not_become_a_bomb(context: Context) -> None:
    do = {"operation": "edit", "steps": [{"step": "resize", "width": 30_000, "height": 30_000, "fit": "stretch"}]}
    assert failure(await run(context, saved(quarters()), do)).reason == "IMAGE_TOO_LARGE"


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"%!PS-Adobe-3.0 EPSF-3.0", b"%PDF-1.7", claiming(10, 10), saved(quarters())[:-30]]
)
async def test_what_is_no_picture_is_told(context: Context, data: bytes) -> None:
    assert failure(await run(context, data, {"operation": "edit"})).reason == "INVALID_DATA"


async def test_a_part_that_is_not_there(context: Context) -> None:
    do = {"operation": "edit", "steps": [{"step": "crop", "width": 41, "height": 1}]}
    failed = failure(await run(context, saved(quarters()), do))
    assert (failed.reason, failed.field) == ("INVALID_PARAMETER", "do.steps[0]")


def test_mistakes_are_found_when_saving() -> None:
    do = {"operation": "edit", "steps": [{"step": "resize", "widht": 3}]}
    assert "there is no parameter" in problems(TYPE, {"do": do})[0]
    assert problems(TYPE, {"do": {"operation": "info"}, "x": 1}) == ["parameters.x: there is no parameter 'x'"]
