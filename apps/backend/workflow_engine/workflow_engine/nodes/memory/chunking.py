"""Cutting a text into pieces that a model can read at once, where people would pause."""

from __future__ import annotations

import re
from collections.abc import Iterator

_CUTS = (
    re.compile(r"(?<=\n)(?=#{1,6} )"),
    re.compile(r"(?<=\n\n)"),
    re.compile(r"(?<=\n)"),
    re.compile(r"(?<=[.!?;] )|(?<=[。！？；])"),
    re.compile(r"(?<=[\s,，、])"),
)
"""Where to cut, best first: before a heading, between paragraphs, lines, sentences, words."""


def chunks(text: str, size: int, overlap: int = 0) -> list[str]:
    """`text` in pieces of at most `size` characters; each begins with about the last `overlap` ones of the one before.

    No text is lost but white space at the ends of pieces.
    """
    pieces: list[str] = []
    piece = ""
    for part in _parts(text, size - overlap, 0):
        if piece and len(piece) + len(part) > size:
            pieces.append(piece)
            piece = _tail(piece, min(overlap, size - len(part)))
        piece += part
    if piece.strip():
        pieces.append(piece)
    return [stripped for piece in pieces if (stripped := piece.strip())]


def _parts(text: str, size: int, level: int) -> Iterator[str]:
    """The largest natural parts of at most `size` characters."""
    if len(text) <= size:
        yield text
    elif level == len(_CUTS):
        yield from (text[at : at + size] for at in range(0, len(text), size))
    else:
        for part in _CUTS[level].split(text):
            yield from _parts(part, size, level + 1)


def _tail(piece: str, length: int) -> str:
    """The end of a piece, from the beginning of a word on where there is one."""
    if length <= 0:
        return ""
    tail = piece[-length:]
    at = re.search(r"[\s。！？；，、]", tail)
    return tail[at.end() :] if at and at.end() < len(tail) else tail
