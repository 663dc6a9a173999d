"""Who is measured, and how each is set up."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.processes import Failed

BACKEND = Path(__file__).parent.parent
PEERS = BACKEND / "benchmarks" / "peers"
VENV = BACKEND / ".venv-bench"
PYTHON = VENV / "bin" / "python"
RESTATE = "1.7.12"


@dataclass(frozen=True)
class Contestant:
    name: str
    module: str
    arguments: tuple[str, ...] = ()
    rival: str = ""
    """Ours on the same kind of storage, which the ratio is to; empty for ours."""
    prepare: Callable[[Path], Mapping[str, str]] = field(default=lambda folder: {})
    """Installs what it needs, into the folder where it can; the environment variables that tell it where."""

    @property
    def ours(self) -> bool:
        return not self.rival

    def command(self, folder: Path) -> list[str]:
        python = sys.executable if self.ours else str(PYTHON)
        return [python, "-m", f"benchmarks.{self.module}", str(folder), *self.arguments]


def peers_environment(folder: Path) -> Mapping[str, str]:
    """Makes `.venv-bench` hold exactly what requirements.txt pins; quick when it does already."""
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    if uv is None:
        raise Failed("uv is needed to install it: pip install uv")
    if not PYTHON.exists():
        install([uv, "venv", "--quiet", "--python", sys.executable, str(VENV)])
    install([uv, "pip", "sync", "--quiet", "--python", str(PYTHON), str(PEERS / "requirements.txt")])
    return {}


def restate_server(folder: Path) -> Mapping[str, str]:
    """Takes Restate's server from npm into the folder, beside what every peer needs."""
    peers_environment(folder)
    wanted = "@restatedev/restate-server@" + RESTATE
    install(["npm", "install", "--prefix", str(folder), "--no-audit", "--no-fund", wanted])
    # The package's own command starts this file from Node.js, which would be measured along.
    found = next(folder.glob("node_modules/@restatedev/restate-server-*/bin/restate-server"), None)
    if found is None:
        raise Failed(f"{wanted} has no server for this machine")
    return {"RESTATE_SERVER": str(found)}


def install(command: Sequence[str]) -> None:
    """Runs an installer.

    Raises:
        Failed: the last line that the installer said.
    """
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
    except FileNotFoundError as error:
        raise Failed(f"{command[0]} is needed to install it, and is not there") from error
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{Path(command[0]).name} had not installed it after ten minutes") from error
    except subprocess.CalledProcessError as error:
        said = (error.stderr or error.stdout).strip().splitlines() or [str(error)]
        raise Failed(f"{Path(command[0]).name} did not install it: {said[-1][:200]}") from error


SQLITE, POSTGRES = "ours, SQLite", "ours, PostgreSQL"
CONTESTANTS = (
    Contestant(SQLITE, "engine", ("sqlite",)),
    Contestant(POSTGRES, "engine", ("postgresql",)),
    Contestant("DBOS, PostgreSQL", "peers.dbos_peer", rival=POSTGRES, prepare=peers_environment),
    Contestant("LangGraph, SQLite", "peers.langgraph_peer", ("sqlite",), SQLITE, peers_environment),
    Contestant("LangGraph, PostgreSQL", "peers.langgraph_peer", ("postgresql",), POSTGRES, peers_environment),
    # Its own storage is embedded, as SQLite is.
    Contestant("Restate", "peers.restate_peer", rival=SQLITE, prepare=restate_server),
)
