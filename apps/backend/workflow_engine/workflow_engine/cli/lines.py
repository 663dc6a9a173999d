"""Where in a file something stands that is named by a path."""

from __future__ import annotations

import re

import yaml

_PART = re.compile(r"\[(\d+)\]|([^.\[\]]+)")


def line_of(content: str, path: str, node_id: str = "") -> int | None:
    """The line, from 1, of `nodes[1].type`, or of `parameters.text` in the node `node_id`.

    Of what is missing, the line of what it is missing in. None where the file can not be read.
    """
    try:
        here = yaml.compose(content, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        return mark.line + 1 if mark else None
    if here is None:
        return None
    line = here.start_mark.line
    parts: list[str | int] = [int(index) if index else name for index, name in _PART.findall(path)]
    if node_id and (not parts or parts[0] not in ("nodes", "connections")):
        found = _node(here, node_id)
        if found is None:
            return None
        here, line = found, found.start_mark.line
    for part in parts:
        inside = _inside(here, part)
        if inside is None:
            break
        line, here = inside
    return int(line) + 1


def _inside(here: yaml.Node, part: str | int) -> tuple[int, yaml.Node] | None:
    """The line on which a member begins (its name's, in a mapping), and the member."""
    if isinstance(here, yaml.MappingNode):
        return next(((name.start_mark.line, member) for name, member in here.value if name.value == str(part)), None)
    if isinstance(here, yaml.SequenceNode) and isinstance(part, int) and part < len(here.value):
        return here.value[part].start_mark.line, here.value[part]
    return None


def _node(workflow: yaml.Node, id: str) -> yaml.Node | None:
    nodes = _inside(workflow, "nodes")
    for each in nodes[1].value if nodes and isinstance(nodes[1], yaml.SequenceNode) else ():
        found = _inside(each, "id")
        if found is not None and found[1].value == id and isinstance(each, yaml.Node):
            return each
    return None
