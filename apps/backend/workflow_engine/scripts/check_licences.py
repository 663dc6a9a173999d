"""Refuses dependencies whose licence does not fit a product under Apache-2.0 that people embed, host and sell.

    python scripts/check_licences.py

It reads what is installed and asks nobody. Only what ships counts: our dependencies and theirs, not the tools of
development. A library under a weak copyleft (LGPL, MPL, EPL) may be used as it is; a choice of licences is as good as
its best. What has no licence that can be read is refused too: look at it, then say so in UNTOLD.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import Requirement

PROJECT = "workflow-engine"
DENIED = re.compile(
    r"\bA?GPL|(?<!LESSER )GENERAL PUBLIC|AFFERO|SSPL|SERVER SIDE PUBLIC|BUSL|BUSINESS SOURCE|COMMONS CLAUSE"
    r"|ELASTIC LICENSE|NON-?COMMERCIAL|PROPRIETARY|CC-BY-NC"
)

UNTOLD = {"imapclient": "BSD-3-Clause"}
"""What the licence file says of those whose metadata does not."""


def main() -> int:
    wrong = [f"{each.name} {each.version}: {said}" for each in _shipped() if (said := _problem(each))]
    for line in wrong:
        print(f"licence: {line}", file=sys.stderr)
    return 1 if wrong else 0


def _problem(each: Distribution) -> str:
    """What is wrong with a licence; empty when nothing is."""
    said = licence(each)
    if not said:
        return "it tells no licence"
    choices = re.split(r"\s+OR\s+", said.upper())
    return f"{said} does not fit" if all(DENIED.search(choice) for choice in choices) else ""


def licence(each: Distribution) -> str:
    """An SPDX expression where there is one; what the classifiers, or else the free text, say."""
    about = each.metadata
    if expression := about.get("License-Expression"):
        return str(expression)
    classifiers = [
        value.rpartition("::")[2].strip()
        for value in about.get_all("Classifier") or []
        if value.startswith("License ::") and value.count("::") > 1
    ]
    said = " and ".join(classifiers) or str(about.get("License") or "").strip().partition("\n")[0][:100]
    return said or UNTOLD.get(each.name.lower(), "")


def _shipped() -> list[Distribution]:
    """What is installed for a user of the package, with all extras; not the package itself."""
    found: dict[str, Distribution] = {}
    todo = [(PROJECT, ("", "embeddings"))]
    seen: set[tuple[str, tuple[str, ...]]] = set()
    while todo:
        name, extras = todo.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            each = distribution(name)
        except PackageNotFoundError:
            # Of another system, or another Python.
            continue
        found[name] = each
        for line in each.requires or []:
            wanted = Requirement(line)
            if wanted.marker is None or any(wanted.marker.evaluate({"extra": extra}) for extra in extras):
                todo.append((wanted.name.lower(), ("", *sorted(wanted.extras))))
    found.pop(PROJECT)
    return sorted(found.values(), key=lambda each: each.name.lower())


if __name__ == "__main__":
    sys.exit(main())
