"""`make bench`: ours beside its peers, in one run on one machine.

    python -m benchmarks [--only ours] [--rounds 3]

Every contestant runs in processes of its own, one after the other, and the whole row again each round, so that a noisy
minute of the machine hits all of them alike. A figure is the median of the rounds.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from benchmarks import api, limits, load, processes
from benchmarks.contestants import BACKEND, CONTESTANTS, Contestant

LESS_IS_BETTER = {load.ONE, load.FAN, load.MEMORY}
NOISE = 0.1
"""KiB; the growth of a process over some thousand executions tells nothing finer."""
Figures = dict[str, dict[str, float]]
"""By contestant and work."""


def compare(chosen: Iterable[Contestant], rounds: int) -> tuple[Figures, dict[str, str]]:
    """The medians, and why who is missing in them is missing."""
    taken: dict[str, list[dict[str, float]]] = {}
    missing: dict[str, str] = {}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        base = Path(name)
        environments: dict[str, Mapping[str, str]] = {}
        for contestant in chosen:
            try:
                environments[contestant.name] = contestant.prepare(base)
            except processes.Failed as error:
                missing[contestant.name] = str(error)
        for turn in range(rounds):
            for contestant in chosen:
                if contestant.name in missing:
                    continue
                tell(f"round {turn + 1} of {rounds}: {contestant.name}")
                folder = Path(tempfile.mkdtemp(dir=base))
                try:
                    figures = processes.run(contestant.command(folder), folder, BACKEND, environments[contestant.name])
                except processes.Failed as error:
                    missing[contestant.name] = str(error)
                else:
                    taken.setdefault(contestant.name, []).append(figures)
    medians = {
        name: {work: statistics.median(each[work] for each in all) for work in all[0]}
        for name, all in taken.items()
        if name not in missing
    }
    return medians, missing


def table(chosen: Iterable[Contestant], figures: Figures) -> str:
    """Markdown: a peer's figure, and in how far ours on the same kind of storage is better (or, below 1, worse)."""
    columns = [contestant for contestant in chosen if contestant.name in figures]
    if not columns:
        return ""
    lines = [f"| work | {' | '.join(column.name for column in columns)} |", f"|---|{'---:|' * len(columns)}"]
    for work in (*load.WORKS, processes.CPU, processes.PEAK):
        cells = (cell(work, figures[column.name][work], figures.get(column.rival, {}).get(work)) for column in columns)
        lines.append(f"| {work} | {' | '.join(cells)} |")
    return "\n".join(lines)


def cell(work: str, figure: float, ours: float | None) -> str:
    text = f"{figure:,.0f}" if figure >= 100 else f"{figure:,.2f}"
    if work == load.MEMORY and figure < NOISE:
        return f"below {NOISE}"
    # Everybody has the same seconds, and does as much in them as it can: what that costs is told, and not compared.
    if ours is None or work not in load.WORKS or (work == load.MEMORY and ours < NOISE):
        return text
    ratio = figure / ours if work in LESS_IS_BETTER else ours / figure
    return f"{text} ({ratio:,.0f}x)" if ratio >= 10 else f"{text} ({ratio:,.1f}x)"


def beside(rounds: int) -> str:
    """Markdown: the whole way over gRPC, and what the machine itself can do."""
    tell("over gRPC, and the limits of the machine")
    turns = [(api.measure(), limits.measure()) for _ in range(rounds)]
    tables = []
    for title, all in zip(("ours over gRPC, SQLite", "the machine by itself"), zip(*turns, strict=True), strict=True):
        rows = (f"| {what} | {cell(what, statistics.median(each[what] for each in all), None)} |" for what in all[0])
        tables.append("\n".join([f"| {title} | |\n|---|---:|", *rows]))
    return "\n\n".join(tables)


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="NAME", help="those alone whose name begins so: ours, DBOS, ...")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    wanted = options.only.lower()
    chosen = [contestant for contestant in CONTESTANTS if contestant.name.lower().startswith(wanted)]
    if not chosen:
        parser.error(f"nobody is called {options.only}; there are {', '.join(each.name for each in CONTESTANTS)}")
    processes.adopt_orphans()
    figures, missing = compare(chosen, options.rounds)
    print(table(chosen, figures))
    for name, why in missing.items():
        print(f"\n{name}: not measured: {why}")
    if any(contestant.ours for contestant in chosen):
        print(f"\n{beside(options.rounds)}")
    if any(name.startswith("ours") for name in missing):
        sys.exit("ours was not measured")


if __name__ == "__main__":
    main()
