"""Renders one template that arrives on stdin; runs as a program of its own, with nothing of ours imported."""

import io
import json
import os
import resource
import sys
import traceback
from contextlib import suppress

_PATHS, _EXIT = sys.argv[1].split(os.pathsep), os._exit
sys.path.extend(_PATHS)

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError  # noqa: E402
from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: E402

_FORBIDDEN = ("os.", "open", "socket.", "subprocess.", "ctypes.", "shutil.", "import", "pty.")


def _closed(environment: ImmutableSandboxedEnvironment) -> None:
    """Shuts what Jinja's sandbox is the first wall of: no new file, socket, module or process, whatever happens."""
    # What is loaded late, such as what tells a failure, is loaded now.
    for warm in ("{{ [{'a': 1}]|map(attribute='a')|sort|tojson|urlize }}{{ none_such }}", "{{"):
        with suppress(TemplateError):
            environment.from_string(warm).render()
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))

    def refuse(event: str, _: tuple[object, ...]) -> None:
        if event.startswith(_FORBIDDEN):
            raise PermissionError("a template has no files, network or programs")

    sys.addaudithook(refuse)


def _rendered(task: dict[str, object]) -> dict[str, object]:
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, autoescape=bool(task["html"]), keep_trailing_newline=True
    )
    _closed(environment)
    items: list[object] = task["items"]  # type: ignore[assignment]
    try:
        template = environment.from_string(str(task["code"]))
        if task["each"]:
            return {"value": [template.render(json=item, items=items) for item in items]}
        return {"value": template.render(json=items[0] if items else {}, items=items)}
    except TemplateSyntaxError as error:
        return {"error": {"message": f"{type(error).__name__}: {error.message}", "line": error.lineno}}
    except MemoryError:
        raise
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno or 0 for frame in frames if frame.filename == "<template>"]
        name = type(error).__name__ if isinstance(error, TemplateError) else type(error).__qualname__
        return {"error": {"message": f"{name}: {error}", "line": lines[-1] if lines else 0}}


def main() -> None:
    task = json.load(io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8"))
    outcome = json.dumps(_rendered(task))
    sys.stdout.write(f"\n{task['mark']}{outcome}\n")
    sys.stdout.flush()
    _EXIT(0)


main()
