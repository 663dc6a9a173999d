"""What the pages for people say can be typed, is there, and means what the code means."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from workflow_engine.cli import app
from workflow_engine.cli.files import problems
from workflow_engine.core.config import Settings
from workflow_engine.proto import workflow_pb2 as pb

BACKEND = Path(__file__).parents[1]
ROOT = BACKEND.parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "README.zh-CN.md", "CONTRIBUTING.md")),
    *(BACKEND / name for name in ("README.md", "examples/acme_nodes/README.md")),
    *sorted(BACKEND.glob("docs/*.md")),
    *sorted(BACKEND.glob("docs/decisions/*.md")),
]
OTHERS = {"CI", "FUZZ_EXAMPLES", "PATH", "PYTHON", "SOAK", "WORKFLOW_ENGINE_KEY", "WORKFLOW_ENGINE_URL"}
"""Variables that are no settings of the engine."""

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def fences(page: Path, language: str) -> list[str]:
    return re.findall(rf"^ *```{language}\n(.*?)^ *```", page.read_text(), re.DOTALL | re.MULTILINE)


def commands(page: Path) -> Iterator[str]:
    """Everything that a reader may type: lines of shell, and what stands in the text as code."""
    for block in fences(page, "bash"):
        yield from block.splitlines()
    prose = re.sub(r"^ *```.*?^ *```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    yield from re.findall(r"`([^`]+)`", prose)


@pages
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not missing


@pages
def test_commands_of_ours_can_be_typed(page: Path) -> None:
    for line in commands(page):
        if (found := re.search(r"(?:^|[\s;&])workflow-engine ([a-z-].*)", line)) is None or "docker" in line:
            continue
        group, words = get_command(app), shlex.split(found[1], comments=True)
        while (inside := getattr(group, "commands", None)) is not None:
            if words == ["--help"]:
                break
            assert words, line
            assert words[0] in inside, line
            group, words = inside[words[0]], words[1:]
        else:
            # Raises for an option or an argument that does not exist, and for one that is missing.
            group.make_context("workflow-engine", words)


@pages
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (BACKEND / "Makefile").read_text(), re.MULTILINE)) | {"e2e"}
    named = {each for line in commands(page) for each in re.findall(r"(?:^|\s)make ([a-z][a-z0-9-]*)", line)}
    assert named <= targets


@pages
def test_shell_can_be_read_and_sets_what_there_is(page: Path) -> None:
    for block in fences(page, "bash"):
        subprocess.run(["/bin/bash", "-n"], input=block, text=True, check=True)
        named = set(re.findall(r"(?:^|\s)([A-Z][A-Z0-9_]+)=", block))
        named = {each for each in named if not each.startswith("OTEL_")}
        assert named <= {each.upper() for each in Settings.model_fields} | OTHERS


@pages
def test_workflows_can_run(page: Path) -> None:
    for block in fences(page, "yaml"):
        if "nodes" in (yaml.safe_load(block) or {}):
            assert [each.message for each in problems("page.yaml", block) if each.severity == pb.SEVERITY_ERROR] == []


@pytest.mark.parametrize("page", PAGES[:2], ids=lambda page: page.name)
def test_the_readmes_show_the_examples_as_they_are(page: Path) -> None:
    def code(text: str) -> str:
        """Without comments, which are of the reader's language, and the docstring, which is for who opens the file."""
        tree = ast.parse(text)
        if ast.get_docstring(tree):
            del tree.body[0]
        return ast.unparse(tree)

    examples = BACKEND / "examples"
    shown = [code(block) for block in fences(page, "python")]
    assert shown == [code((examples / name).read_text()) for name in ("client.py", "python_client.py")]
    assert fences(page, "yaml") == [(examples / "greeting.yaml").read_text()]
