"""Asks for known vulnerabilities of what we depend on, Python's and the editor's.

    python scripts/audit.py

Ends with 1 when there is one. The advisories are on the Internet; where they can not be reached it says so, and ends
well: that is no finding.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

BACKEND = Path(__file__).resolve().parents[1]
FRONTEND = BACKEND.parents[1] / "frontend"


def main() -> int:
    found = [*python(BACKEND / "requirements.lock"), *javascript(FRONTEND)]
    for line in found:
        print(f"vulnerable: {line}", file=sys.stderr)
    return 1 if found else 0


def python(lock: Path) -> list[str]:
    pins = [line.partition(" ")[0] for line in lock.read_text().splitlines() if "==" in line.partition(" ")[0]]
    # One first: where the service is not there, nobody need be asked a hundred times.
    if not any("vulns" in each for each in _pip_audit(pins[:1])):
        return _not_asked("Python", "the package index gives no advisories")
    return [
        f"{each['name']} {each['version']}: {', '.join(v['id'] for v in each['vulns'])}"
        for each in _pip_audit(pins)
        if each.get("vulns")
    ]


def _pip_audit(pins: list[str]) -> list[dict[str, Any]]:
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(pins))
        file.flush()
        options = ["--disable-pip", "--no-deps", "--format", "json", "--progress-spinner", "off"]
        command = [sys.executable, "-m", "pip_audit", "--requirement", file.name, *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        dependencies: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (json.JSONDecodeError, KeyError):
        return []
    return dependencies


def javascript(folder: Path) -> list[str]:
    npm = shutil.which("npm")
    if npm is None or not (folder / "package-lock.json").is_file():
        return _not_asked("JavaScript", "there is no npm, or no lock")
    done = subprocess.run(
        [npm, "audit", "--omit=dev", "--json"], cwd=folder, capture_output=True, text=True, check=False
    )
    try:
        said: dict[str, Any] = json.loads(done.stdout)
    except json.JSONDecodeError:
        said = {}
    if "vulnerabilities" not in said:
        return _not_asked("JavaScript", "the registry gives no advisories")
    return [f"{name}: {each['severity']}" for name, each in said["vulnerabilities"].items()]


def _not_asked(what: str, why: str) -> list[str]:
    print(f"not audited, {what}: {why}")
    return []


if __name__ == "__main__":
    sys.exit(main())
