"""A second wall around programs of users, by bubblewrap where it is there: no network, no other process, hardly a file.

The first wall is the interpreter's own. What gets through a hole in it finds itself, behind this one, in namespaces
with the program, the system's libraries and nothing else, all of it read-only.
"""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path

from workflow_engine.core.logging import get_logger

log = get_logger(__name__)

_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib")
_NAMESPACES = (
    "--unshare-all",
    "--die-with-parent",
    "--clearenv",
    *("--uid", "65534", "--gid", "65534"),
    *("--cap-drop", "ALL"),
    *("--proc", "/proc"),
)
TRY_SECONDS = 10


@cache
def bubblewrap() -> str | None:
    """The program, where it is there and the system lets us use it; it may take a moment to find out."""
    found = shutil.which("bwrap")
    if found is None:
        log.info("sandbox_has_one_wall", reason="there is no bubblewrap")
        return None
    try:
        tried = subprocess.run(  # noqa: S603, our own arguments
            [found, *_NAMESPACES, *_readable(()), "/bin/true"], capture_output=True, timeout=TRY_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        log.info("sandbox_has_one_wall", reason=str(error))
        return None
    # It can not run what it does not show; that it got so far is what we want to know.
    if tried.returncode != 0 and b"execvp" not in tried.stderr:
        log.info("sandbox_has_one_wall", reason=tried.stderr.decode(errors="replace").strip())
        return None
    return found


def walled(command: list[str], folder: Path, readable: tuple[Path, ...], environment: dict[str, str]) -> list[str]:
    """`command` behind the wall, or as it is where there is none. `readable`: what it needs besides `folder`."""
    program = bubblewrap()
    if program is None:
        return command
    variables = [part for name, value in environment.items() for part in ("--setenv", name, value)]
    shown = _readable((folder, *readable))
    return [program, *_NAMESPACES, *variables, *shown, "--remount-ro", "/", "--chdir", str(folder), *command]


def _readable(paths: tuple[Path, ...]) -> list[str]:
    arguments: list[str] = []
    for library in map(Path, _LIBRARIES):
        if library.is_symlink():
            arguments += ["--symlink", str(library.readlink()), str(library)]
        elif library.is_dir():
            arguments += ["--ro-bind", str(library), str(library)]
    for path in dict.fromkeys(paths):
        arguments += ["--ro-bind", str(path), str(path)]
    return arguments
