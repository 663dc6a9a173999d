"""Finds the trigger that a method and path belong to, in steps as many as the path has segments."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")
ANY = "*"
"""Stands for every method."""


@dataclass(frozen=True, slots=True)
class Match(Generic[T]):
    """Who is behind a route, and what its path parameters are."""

    target: T
    params: dict[str, str]


@dataclass(slots=True)
class _Place(Generic[T]):
    fixed: dict[str, _Place[T]] = field(default_factory=dict)
    free: _Place[T] | None = None
    """Where any segment leads."""
    here: dict[str, tuple[T, tuple[str, ...]]] = field(default_factory=dict)
    """By method: who is behind it, and the names of the free segments on the way."""


class Router(Generic[T]):
    """Routes such as `POST /webhooks/orders/:id`. A fixed segment goes before a parameter."""

    def __init__(self) -> None:
        self._root: _Place[T] = _Place()

    def add(self, route: str, target: T) -> None:
        """Replaces whoever was there."""
        method, segments = _parts(route)
        place = self._root
        names: list[str] = []
        for segment in segments:
            if segment.startswith(":"):
                names.append(segment[1:])
                place.free = place.free or _Place()
                place = place.free
            else:
                place = place.fixed.setdefault(segment, _Place())
        place.here[method] = (target, tuple(names))

    def remove(self, route: str) -> None:
        method, segments = _parts(route)
        way = [self._root]
        for segment in segments:
            step = way[-1].free if segment.startswith(":") else way[-1].fixed.get(segment)
            if step is None:
                return
            way.append(step)
        way[-1].here.pop(method, None)
        # What leads nowhere any more is taken out, or years of renamed paths would pile up.
        for place, segment in zip(reversed(way[:-1]), reversed(segments), strict=True):
            step = place.free if segment.startswith(":") else place.fixed[segment]
            if step is None or step.here or step.fixed or step.free:
                return
            if segment.startswith(":"):
                place.free = None
            else:
                del place.fixed[segment]

    def find(self, method: str, path: str) -> Match[T] | None:
        place, values = self._place(path, method)
        found = place.here.get(method) or place.here.get(ANY) if place else None
        if found is None:
            return None
        target, names = found
        return Match(target, dict(zip(names, values, strict=True)))

    def methods(self, path: str) -> set[str]:
        """The methods that a path knows; none when nobody is there."""
        place, _ = self._place(path, "")
        return set(place.here) if place else set()

    def _place(self, path: str, method: str) -> tuple[_Place[T] | None, list[str]]:
        return _walk(self._root, path.strip("/").split("/"), 0, method)


def _walk(place: _Place[T], segments: list[str], index: int, method: str) -> tuple[_Place[T] | None, list[str]]:
    if index == len(segments):
        fits = place.here and (not method or method in place.here or ANY in place.here)
        return (place if fits else None), []
    if (step := place.fixed.get(segments[index])) is not None:
        found, values = _walk(step, segments, index + 1, method)
        if found is not None:
            return found, values
    if place.free is not None and segments[index]:
        found, values = _walk(place.free, segments, index + 1, method)
        if found is not None:
            return found, [segments[index], *values]
    return None, []


def normal(route: str) -> str:
    """The route with its parameters' names left out: two that are equal then would catch each other's calls."""
    method, segments = _parts(route)
    return f"{method} /" + "/".join(":" if segment.startswith(":") else segment for segment in segments)


def _parts(route: str) -> tuple[str, list[str]]:
    method, _, path = route.partition(" ")
    return method, path.strip("/").split("/")
