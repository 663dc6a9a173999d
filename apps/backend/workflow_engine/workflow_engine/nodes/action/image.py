"""action.image: what a picture is, and another one made of it."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import Field

from workflow_engine.engine.items import Item
from workflow_engine.nodes.action.http.body import required, stored
from workflow_engine.nodes.action.results import FieldName, with_field
from workflow_engine.nodes.spec import Call, Effect, Json, Node, NodeFailure, Parameters, Result, emit

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_BYTES = 64 << 20
"""Size of a file that is read."""
MAX_PIXELS = 64_000_000
"""Pixels of a picture that is read or made; each one takes about four bytes of memory, twice."""
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "ICO", "AVIF")
"""Those that are read. Others, such as EPS and PDF, run programs."""
_NAMES = {"png": "PNG", "jpeg": "JPEG", "webp": "WEBP", "gif": "GIF", "tiff": "TIFF", "bmp": "BMP"}
_EXTENSIONS = {"jpeg": "jpg", "tiff": "tif"}
_WITHOUT_ALPHA = ("jpeg", "bmp")

Length: TypeAlias = Annotated[int, Field(ge=1, le=30_000)]


class Info(Parameters):
    """What a picture is."""

    operation: Literal["info"]
    """Format, width, height, colours, and whether it moves."""


class Resize(Parameters):
    """Another size."""

    step: Literal["resize"]
    """With width, height, or both."""
    width: Length | None = None
    """In pixels; by default as the height demands."""
    height: Length | None = None
    """In pixels; by default as the width demands."""
    fit: Literal["contain", "cover", "stretch"] = "contain"
    """With both: all of it within them, all of them covered and the rest cut off, or out of proportion."""
    enlarge: bool = True
    """Make small pictures larger, too."""


class Crop(Parameters):
    """A part of it."""

    step: Literal["crop"]
    """From the upper left corner."""
    left: int = Field(default=0, ge=0)
    """In pixels."""
    top: int = Field(default=0, ge=0)
    """In pixels."""
    width: Length
    """In pixels."""
    height: Length
    """In pixels."""


class Rotate(Parameters):
    """Turned."""

    step: Literal["rotate"]
    """Clockwise."""
    degrees: Literal[90, 180, 270]
    """By how much."""


class Flip(Parameters):
    """Mirrored."""

    step: Literal["flip"]
    """As in a mirror."""
    direction: Literal["left_right", "top_bottom"] = "left_right"
    """What changes places."""


class Grayscale(Parameters):
    """Without colour."""

    step: Literal["grayscale"]
    """Shades of grey."""


Step: TypeAlias = Annotated[Resize | Crop | Rotate | Flip | Grayscale, Field(discriminator="step")]


class Edit(Parameters):
    """Another picture made of it."""

    operation: Literal["edit"]
    """The camera's rotation is applied first; what the camera wrote (place, time, model) is left out."""
    steps: list[Step] = Field(default=[], max_length=20)
    """What is done, one after the other."""
    format: Literal["keep", "png", "jpeg", "webp", "gif", "tiff", "bmp"] = "keep"
    """What it becomes. Of a picture that moves the first frame is taken."""
    quality: int = Field(default=85, ge=1, le=100)
    """For JPEG and WebP: from small to good."""
    background: str = Field(default="#ffffff", pattern=r"^#[0-9A-Fa-f]{6}$")
    """What shows through where the new format knows no transparency."""
    file_name: str = Field(default="", max_length=255)
    """By default the picture's own, with the format's extension."""
    output_binary: str = Field(default="data", min_length=1)
    """The binary slot to put it into."""


class ImageParameters(Parameters):
    do: Annotated[Info | Edit, Field(discriminator="operation")]
    """What to do."""
    binary: str = "data"
    """The binary slot that the picture is in."""
    output_field: FieldName = "image"
    """Field for what the picture is."""


class ImageNode(Node[ImageParameters]):
    """Tells what a picture is, or resizes, crops, turns and converts it.

    Reads PNG, JPEG, WebP, AVIF, GIF, TIFF, BMP and ICO of up to 64 MiB and 64 million pixels; one that says it has
    more is refused before it is unfolded. The item keeps its fields and gets format, width, height, mode and
    `animated` as one more.
    """

    type = "action.image"
    name = "Image"
    summary = "Resizes, crops, turns and converts pictures, or tells what they are."
    example = {"do": {"operation": "edit", "steps": [{"step": "resize", "width": 800}], "format": "webp"}}
    effect = Effect.IDEMPOTENT

    async def run(self, call: Call[ImageParameters]) -> Result:
        parameters = call.parameters
        ref, blobs = stored(call.item, parameters.binary, call.context.blobs, "binary")
        if ref.size > MAX_BYTES:
            raise NodeFailure(
                "TOO_LARGE", f"the picture has {ref.size:,} bytes; {MAX_BYTES:,} can be read", field="binary"
            )
        data = b"".join([chunk async for chunk in blobs.read(ref)])
        if isinstance(parameters.do, Info):
            return with_field(call.item, parameters.output_field, await asyncio.to_thread(described, data))
        made, told, format = await asyncio.to_thread(edited, data, parameters.do)
        name = parameters.do.file_name or _renamed(ref.file_name, format)
        kept = await required(blobs).write(made, f"image/{format}", name)
        binary = {**call.item.binary, parameters.do.output_binary: kept}
        return emit(Item({**call.item.json, parameters.output_field: told}, binary))


def described(data: bytes) -> dict[str, Json]:
    """What the picture in `data` is. Raises NodeFailure INVALID_DATA, IMAGE_TOO_LARGE."""
    with _opened(data) as picture:
        return _told(picture, (picture.format or "").lower(), bool(getattr(picture, "is_animated", False)))


def edited(data: bytes, do: Edit) -> tuple[bytes, dict[str, Json], str]:
    """The new picture, what it is, and its format. Raises NodeFailure INVALID_DATA, IMAGE_TOO_LARGE."""
    from PIL import ImageOps

    with _opened(data) as opened:
        format: str = (opened.format or "").lower() if do.format == "keep" else do.format
        if format not in _NAMES:
            format = "png"
        try:
            # Loading is where a broken or hostile file shows.
            picture: Image = ImageOps.exif_transpose(opened)
            if picture.mode in ("P", "CMYK", "YCbCr", "LAB", "HSV", "I", "F") or picture.mode.startswith("I;"):
                picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
            for index, step in enumerate(do.steps):
                picture = _stepped(picture, step, f"do.steps[{index}]")
            if format in _WITHOUT_ALPHA:
                picture = _on(picture, do.background)
            out = io.BytesIO()
            picture.info = {}
            picture.save(out, _NAMES[format], quality=do.quality)
        except (OSError, ValueError, SyntaxError, EOFError, MemoryError) as error:
            raise _broken(error) from None
        return out.getvalue(), _told(picture, format, False), format


def _opened(data: bytes) -> Image:
    import warnings

    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            # The limit is ours, below.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise _too_large(str(error)) from None
    except UnidentifiedImageError:
        raise _broken("it is none of " + ", ".join(FORMATS)) from None
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise _broken(error) from None
    _fits(picture.width, picture.height)
    return picture


def _stepped(picture: Image, step: Step, field: str) -> Image:
    from PIL import Image, ImageOps

    match step:
        case Resize():
            return _resized(picture, step, field)
        case Crop():
            right, bottom = step.left + step.width, step.top + step.height
            if right > picture.width or bottom > picture.height:
                raise NodeFailure(
                    "INVALID_PARAMETER",
                    f"the part ends at {right} x {bottom}, the picture at {picture.width} x {picture.height}",
                    field=field,
                    hint="make it smaller, or resize first",
                )
            return picture.crop((step.left, step.top, right, bottom))
        case Rotate():
            turned = {90: Image.Transpose.ROTATE_270, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_90}
            return picture.transpose(turned[step.degrees])
        case Flip():
            sideways = step.direction == "left_right"
            return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT if sideways else Image.Transpose.FLIP_TOP_BOTTOM)
        case Grayscale():
            return ImageOps.grayscale(picture) if "A" not in picture.mode else picture.convert("LA")


def _resized(picture: Image, step: Resize, field: str) -> Image:
    from PIL import Image, ImageOps

    width, height = step.width, step.height
    if width is None and height is None:
        raise NodeFailure("INVALID_PARAMETER", "resize needs a width or a height", field=field)
    fit = step.fit
    if width is None or height is None:
        scale = width / picture.width if width else (height or 0) / picture.height
        width, height, fit = _scaled(picture, scale), _scaled(picture, scale, tall=True), "stretch"
    if not step.enlarge and width >= picture.width and height >= picture.height:
        return picture
    _fits(width, height)
    if picture.mode == "1":
        picture = picture.convert("L")
    if fit == "cover":
        return ImageOps.fit(picture, (width, height), Image.Resampling.LANCZOS)
    if fit == "contain":
        scale = min(width / picture.width, height / picture.height)
        width, height = _scaled(picture, scale), _scaled(picture, scale, tall=True)
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def _scaled(picture: Image, scale: float, *, tall: bool = False) -> int:
    return max(1, round((picture.height if tall else picture.width) * scale))


def _on(picture: Image, background: str) -> Image:
    from PIL import Image

    if not picture.has_transparency_data:
        return picture.convert("RGB") if picture.mode not in ("L", "RGB", "1") else picture
    layer = picture.convert("RGBA")
    under = Image.new("RGBA", layer.size, background)
    return Image.alpha_composite(under, layer).convert("RGB")


def _told(picture: Image, format: str, animated: bool) -> dict[str, Json]:
    return {
        "format": format,
        "width": picture.width,
        "height": picture.height,
        "mode": picture.mode,
        "animated": animated,
    }


def _renamed(name: str, format: str) -> str:
    stem = name.rpartition(".")[0] or name or "image"
    return f"{stem}.{_EXTENSIONS.get(format, format)}"


def _fits(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise _too_large(f"{width} x {height} pixels")


def _too_large(what: str) -> NodeFailure:
    return NodeFailure(
        "IMAGE_TOO_LARGE",
        f"{what} are more than {MAX_PIXELS:,}",
        field="binary",
        hint="a picture of so many pixels is refused, as it would fill the memory",
    )


def _broken(error: Any) -> NodeFailure:
    return NodeFailure(
        "INVALID_DATA",
        f"the picture can not be read: {error or type(error).__name__}",
        field="binary",
        hint="see that the file is complete, and a picture of a format that is read",
    )
