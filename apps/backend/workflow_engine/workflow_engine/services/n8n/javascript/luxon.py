"""Luxon's formats and units of time."""

from __future__ import annotations

import re

from workflow_engine.services.n8n.javascript.cel import PRIMARY, PRODUCT, SUM, UNARY, ZONE, Beyond, Cel, quoted

_HOURS = {"hour": 1, "day": 24, "week": 168}
_SECONDS = {"second": 1, "minute": 60}
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_STARTS = {"day": "%Y-%m-%d", "month": "%Y-%m-01", "year": "%Y-01-01"}
_TOKENS = {
    "yyyy": "%Y",
    "YYYY": "%Y",
    "MMMM": "%B",
    "LLLL": "%B",
    "MMM": "%b",
    "LLL": "%b",
    "MM": "%m",
    "LL": "%m",
    "dd": "%d",
    "DD": "%d",
    "EEEE": "%A",
    "cccc": "%A",
    "EEE": "%a",
    "ccc": "%a",
    "HH": "%H",
    "hh": "%I",
    "mm": "%M",
    "ss": "%S",
    "a": "%p",
    "ZZZ": "%z",
}
_UNPADDED = {
    "d": "string({0}.getDate({zone}))",
    "D": "string({0}.getDate({zone}))",
    "M": "string({0}.getMonth({zone}) + 1)",
    "L": "string({0}.getMonth({zone}) + 1)",
    "H": "string({0}.getHours({zone}))",
    "m": "string({0}.getMinutes({zone}))",
    "s": "string({0}.getSeconds({zone}))",
    "yy": "{0}.format('%Y', {zone}).substring(2)",
    "YY": "{0}.format('%Y', {zone}).substring(2)",
}
"""What strftime has no code for."""
_FORMAT = re.compile(r"'([^']*)'|([A-Za-z])\2*|%|[^A-Za-z%']+")


def strftime(luxon: str) -> str:
    """A format of Luxon, such as `yyyy-MM-dd`, in strftime's codes. Raises Beyond."""

    def code(match: re.Match[str]) -> str:
        if match[1] is not None:
            return match[1].replace("%", "%%")
        if not match[2]:
            return "%%" if match[0] == "%" else match[0]
        if match[0] == "T":
            return "T"
        if match[0] not in _TOKENS:
            raise Beyond(f"the date format {luxon!r} has {match[0]!r}, which our formats can not write")
        return _TOKENS[match[0]]

    return _FORMAT.sub(code, luxon)


def formatted(at: str, luxon: str) -> Cel:
    """A time in a format of Luxon. Raises Beyond."""
    tokens = [match[0] for match in _FORMAT.finditer(luxon)]
    if not any(each in _UNPADDED for each in tokens):
        return Cel(f"{at}.format({quoted(strftime(luxon))}, {ZONE})", "text")
    parts, coded = [], ""
    for token in [*tokens, ""]:
        if token and token not in _UNPADDED:
            coded += token
            continue
        if coded:
            parts.append(f"{at}.format({quoted(strftime(coded))}, {ZONE})")
        coded = ""
        if token:
            parts.append(_UNPADDED[token].replace("{0}", at).replace("{zone}", ZONE))
    return Cel(" + ".join(parts), "text", SUM if len(parts) > 1 else PRIMARY)


def start_of(at: Cel, unit: str) -> Cel:
    """The beginning of the day, month or year of a time. Raises Beyond."""
    if unit not in _STARTS:
        raise Beyond(f"the start of a {unit} has no counterpart: action.date_time rounds dates")
    return Cel(f"parseTime({at.within(PRIMARY)}.format('{_STARTS[unit]}', {ZONE}), {ZONE})", "time")


def shifted(at: Cel, sign: str, amount: Cel, unit: str) -> Cel | None:
    """A time, plus or minus so many of a unit; None when there is no such unit."""
    unit = unit.rstrip("s").lower()
    if unit in _MONTHS:
        count = amount.within(UNARY) if _MONTHS[unit] == 1 else f"{amount.within(PRODUCT)} * {_MONTHS[unit]}"
        signed = count if sign == "+" else f"-({count})" if " " in count else f"-{count}"
        return Cel(f"{at.within(PRIMARY)}.addMonths({signed})", "time")
    factor, letter = (_HOURS[unit], "h") if unit in _HOURS else (_SECONDS.get(unit, 0), "s")
    if not factor:
        return None
    if amount.text.isdigit():
        length = f"duration('{int(amount.text) * factor}{letter}')"
    else:
        product = amount.within(PRODUCT) if factor == 1 else f"{amount.within(PRODUCT)} * {factor}"
        length = f"duration(string({product}) + '{letter}')"
    return Cel(f"{at.within(SUM)} {sign} {length}", "time", SUM)
