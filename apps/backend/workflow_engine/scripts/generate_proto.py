"""Generates workflow_engine/proto from apps/backend/shared/proto/engine, and checks the contract.

generate_proto.py             write the generated code anew
generate_proto.py --check     fail when the committed code is not what the contract gives
generate_proto.py --lint      Buf's lint, and its check for breaking changes against baseline.binpb
generate_proto.py --baseline  make the contract as it is now the one to stay compatible with (at a release)
"""

from __future__ import annotations

import argparse
import filecmp
import json
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc_tools
from google.protobuf import descriptor_pb2

BACKEND = Path(__file__).resolve().parent.parent
SOURCES = BACKEND.parent / "shared" / "proto"
OUTPUT = BACKEND / "workflow_engine" / "proto"
BASELINE = SOURCES / "baseline.binpb"
COMMENTS = "comments.json"
# google/api and google/rpc come with googleapis-common-protos, google/protobuf with grpcio-tools.
INCLUDES = [SOURCES, Path(sysconfig.get_path("purelib")), Path(grpc_tools.__file__).parent / "_proto"]
# protoc imports by the path of the .proto file; our modules live in the package.
IMPORT = re.compile(r"^(\s*)(from|import) engine(\.| import )", re.MULTILINE)


def protoc(*arguments: str) -> None:
    files = sorted(str(path.relative_to(SOURCES)) for path in SOURCES.glob("engine/*.proto"))
    includes = [f"-I{path}" for path in INCLUDES]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *includes, *arguments, *files], check=True)


def generate(target: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        plugins = Path(sysconfig.get_path("scripts"))
        protoc(
            f"--plugin=protoc-gen-mypy={plugins / 'protoc-gen-mypy'}",
            f"--plugin=protoc-gen-mypy_grpc={plugins / 'protoc-gen-mypy_grpc'}",
            f"--python_out={folder}",
            f"--mypy_out=quiet:{folder}",
            f"--grpc_python_out={folder}",
            f"--mypy_grpc_out=quiet:{folder}",
        )
        for path in sorted(Path(folder, "engine").iterdir()):
            # Only workflow_service.proto has services; the other modules would be empty.
            if "_grpc" in path.name and not path.name.startswith("workflow_service"):
                continue
            text = path.read_text()
            text = IMPORT.sub(_imported, text)
            (target / path.name).write_text(text)
    # The generated modules leave the comments out; the OpenAPI document tells them.
    (target / COMMENTS).write_text(json.dumps(comments(), indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    (target / "__init__.py").write_text('"""Generated from apps/backend/shared/proto/engine by `make proto`."""\n')


def _imported(match: re.Match[str]) -> str:
    indent, word, rest = match.groups()
    return f"{indent}{word} workflow_engine.proto{rest}"


def comments() -> dict[str, str]:
    """The comment of everything in the contract that has one, by full name."""
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder) / "engine.binpb"
        image(built, with_source=True)
        files = descriptor_pb2.FileDescriptorSet.FromString(built.read_bytes()).file
    return {name: text for file in files if file.package == "engine.v1" for name, text in _comments(file)}


def _comments(file: descriptor_pb2.FileDescriptorProto) -> Iterator[tuple[str, str]]:
    for location in file.source_code_info.location:
        if text := location.leading_comments or location.trailing_comments:
            # A path is field number, index, field number, index...; each step leads to something with a name.
            thing: Any = file
            names = [file.package]
            for number, index in zip(location.path[::2], location.path[1::2], strict=False):
                thing = getattr(thing, thing.DESCRIPTOR.fields_by_number[number].name)[index]
                names.append(getattr(thing, "name", ""))
            if len(location.path) % 2 == 0 and location.path:
                yield ".".join(names), " ".join(text.split())


def check() -> int:
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder)
        generate(fresh)
        names = {path.name for path in fresh.iterdir()} | {path.name for path in OUTPUT.iterdir() if path.is_file()}
        stale = [
            name
            for name in sorted(names)
            if not (OUTPUT / name).exists()
            or not (fresh / name).exists()
            or not filecmp.cmp(OUTPUT / name, fresh / name, shallow=False)
        ]
    if stale:
        print(f"stale generated code: {', '.join(stale)}\nrun `make proto` and commit what it writes", file=sys.stderr)
    return len(stale)


def image(path: Path, *, with_source: bool) -> None:
    protoc("--include_imports", *(["--include_source_info"] if with_source else []), f"--descriptor_set_out={path}")


def lint() -> int:
    buf = shutil.which("buf", path=sysconfig.get_path("scripts")) or "buf"
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder) / "engine.binpb"
        image(built, with_source=True)
        config = ["--config", str(SOURCES / "buf.yaml")]
        ours = [f"--path=engine/{path.name}" for path in sorted(SOURCES.glob("engine/*.proto"))]
        failed = subprocess.run([buf, "lint", str(built), *config, *ours], check=False).returncode
        if BASELINE.exists():
            against = ["--against", str(BASELINE)]
            failed |= subprocess.run([buf, "breaking", str(built), *against, *config, *ours], check=False).returncode
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--lint", action="store_true")
    parser.add_argument("--baseline", action="store_true")
    chosen = parser.parse_args()
    if chosen.check:
        return check()
    if chosen.lint:
        return lint()
    if chosen.baseline:
        image(BASELINE, with_source=False)
        return 0
    generate(OUTPUT)
    return 0


if __name__ == "__main__":
    sys.exit(main())
