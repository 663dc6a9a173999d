"""A package of somebody else's, built and installed as any other, adds its node types."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from workflow_engine.nodes.registry import installed

BACKEND = Path(__file__).resolve().parents[2]
PACKAGE = BACKEND / "examples" / "acme_nodes"
SEEN = """
import asyncio, json
from tests.nodes.harness import problems, records, run_node
from workflow_engine.nodes.registry import installed

node = installed().find("action.acme_shout")
event = asyncio.run(run_node("action.acme_shout", {"text": "{{ json.name }}", "marks": 2}, [{"name": "ada"}]))
print(json.dumps({
    "help": node.help,
    "schema": sorted(node.parameters.model_json_schema()["properties"]),
    "records": records(event),
    "problems": problems("action.acme_shout", {"text": "x", "volume": 11}),
}))
"""


def test_a_package_adds_node_types_by_its_entry_point(tmp_path: Path) -> None:
    source = shutil.copytree(PACKAGE, tmp_path / "source")
    build = "from hatchling.build import build_wheel; print(build_wheel('../dist'))"
    built = subprocess.run([sys.executable, "-c", build], cwd=source, check=True, capture_output=True, text=True)
    # A wheel of plain Python is installed by being unpacked where Python looks.
    with zipfile.ZipFile(tmp_path / "dist" / built.stdout.split()[-1]) as wheel:
        wheel.extractall(tmp_path / "site")
    path = os.pathsep.join([str(tmp_path / "site"), str(BACKEND)])
    environment = os.environ | {"PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", SEEN], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "help": "Puts `text` in capitals under `shouted`, for each item.",
        "schema": ["marks", "text"],
        "records": [{"name": "ada", "shouted": "ADA!!"}],
        "problems": ["parameters.volume: there is no parameter 'volume'"],
    }
    assert installed().find("action.acme_shout") is None
