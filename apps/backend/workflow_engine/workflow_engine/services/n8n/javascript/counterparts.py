"""What JavaScript, Luxon and n8n can do to a value, and how we write it."""

from __future__ import annotations

from workflow_engine.services.n8n.javascript.cel import PRIMARY, PRODUCT, RELATION, SUM, ZONE, Cel

# What JavaScript, Luxon and n8n can do to a value: how many arguments it takes, how we write it, what comes out.
# {0} is the value itself.
METHODS: dict[tuple[str, int], tuple[str, str]] = {
    ("toUpperCase", 0): ("{0}.upper()", "text"),
    ("toLowerCase", 0): ("{0}.lower()", "text"),
    ("trim", 0): ("{0}.trim()", "text"),
    ("startsWith", 1): ("{0}.startsWith({1})", "bool"),
    ("endsWith", 1): ("{0}.endsWith({1})", "bool"),
    ("indexOf", 1): ("{0}.indexOf({1})", "number"),
    ("split", 1): ("{0}.split({1})", "list"),
    ("replaceAll", 2): ("{0}.replace({1}, {2})", "text"),
    ("replace", 2): ("{0}.replace({1}, {2}, 1)", "text"),
    ("substring", 1): ("{0}.substring({1})", "text"),
    ("substring", 2): ("{0}.substring({1}, {2})", "text"),
    ("charAt", 1): ("{0}.substring({1}, {1} + 1)", "text"),
    ("toString", 0): ("toText({0})", "text"),
    ("capitalize", 0): ("{0}.capitalize()", "text"),
    ("urlEncode", 0): ("{0}.urlEncode()", "text"),
    ("urlDecode", 0): ("{0}.urlDecode()", "text"),
    ("base64Encode", 0): ("{0}.base64Encode()", "text"),
    ("base64Decode", 0): ("{0}.base64Decode()", "text"),
    ("parseJson", 0): ("fromJson({0})", ""),
    ("toJsonString", 0): ("toJson({0})", "text"),
    ("toInt", 0): ("int({0})", "number"),
    ("toNumber", 0): ("double({0})", "number"),
    ("toFloat", 0): ("double({0})", "number"),
    ("toDateTime", 0): ("parseTime({0})", "time"),
    ("isEmpty", 0): ("{0}.size() == 0", "bool"),
    ("isNotEmpty", 0): ("{0}.size() > 0", "bool"),
    ("round", 0): ("round({0})", "number"),
    ("round", 1): ("round({0}, {1})", "number"),
    ("abs", 0): ("math.abs({0})", "number"),
    ("ceil", 0): ("int(math.ceil({0}))", "number"),
    ("floor", 0): ("int(math.floor({0}))", "number"),
    ("join", 0): ("{0}.join(',')", "text"),
    ("join", 1): ("{0}.join({1})", "text"),
    ("reverse", 0): ("{0}.reverse()", "list"),
    ("flat", 0): ("{0}.flatten()", "list"),
    ("at", 1): ("{0}[{1}]", ""),
    ("first", 0): ("{0}.first()", ""),
    ("last", 0): ("{0}.last()", ""),
    ("sum", 0): ("{0}.sum()", "number"),
    ("average", 0): ("{0}.avg()", "number"),
    ("max", 0): ("{0}.max()", ""),
    ("min", 0): ("{0}.min()", ""),
    ("unique", 0): ("{0}.distinct()", "list"),
    ("removeDuplicates", 0): ("{0}.distinct()", "list"),
    ("pluck", 1): ("{0}.pluck({1})", "list"),
    ("keys", 0): ("{0}.keys()", "list"),
    ("values", 0): ("{0}.values()", "list"),
    ("merge", 1): ("{0}.merge({1})", "map"),
    ("hasField", 1): ("{1} in {0}", "bool"),
    ("hasOwnProperty", 1): ("{1} in {0}", "bool"),
    ("toISO", 0): ("string({0})", "text"),
    ("toISOString", 0): ("string({0})", "text"),
    ("toJSON", 0): ("string({0})", "text"),
    ("toISODate", 0): ("{0}.format('%Y-%m-%d', " + ZONE + ")", "text"),
    ("toISOTime", 0): ("{0}.format('%H:%M:%S', " + ZONE + ")", "text"),
    ("toMillis", 0): ("int({0}) * 1000", "number"),
    ("getTime", 0): ("int({0}) * 1000", "number"),
    ("valueOf", 0): ("int({0}) * 1000", "number"),
    ("toSeconds", 0): ("int({0})", "number"),
    ("toUnixInteger", 0): ("int({0})", "number"),
    ("toUTC", 0): ("{0}", "time"),
    ("toJSDate", 0): ("{0}", "time"),
    ("getFullYear", 0): ("{0}.getFullYear(" + ZONE + ")", "number"),
    ("getMonth", 0): ("{0}.getMonth(" + ZONE + ")", "number"),
    ("getDate", 0): ("{0}.getDate(" + ZONE + ")", "number"),
    ("getDay", 0): ("{0}.getDayOfWeek(" + ZONE + ")", "number"),
    ("getHours", 0): ("{0}.getHours(" + ZONE + ")", "number"),
    ("getMinutes", 0): ("{0}.getMinutes(" + ZONE + ")", "number"),
    ("getSeconds", 0): ("{0}.getSeconds(" + ZONE + ")", "number"),
}
FUNCTIONS: dict[tuple[str, int], tuple[str, str]] = {
    ("JSON.stringify", 1): ("toJson({1})", "text"),
    ("JSON.parse", 1): ("fromJson({1})", ""),
    ("String", 1): ("toText({1})", "text"),
    ("Number", 1): ("double({1})", "number"),
    ("parseFloat", 1): ("double({1})", "number"),
    ("Number.parseFloat", 1): ("double({1})", "number"),
    ("parseInt", 1): ("int({1})", "number"),
    ("Number.parseInt", 1): ("int({1})", "number"),
    ("encodeURIComponent", 1): ("{1}.urlEncode()", "text"),
    ("decodeURIComponent", 1): ("{1}.urlDecode()", "text"),
    ("Math.floor", 1): ("int(math.floor({1}))", "number"),
    ("Math.ceil", 1): ("int(math.ceil({1}))", "number"),
    ("Math.trunc", 1): ("int(math.trunc({1}))", "number"),
    ("Math.round", 1): ("round({1})", "number"),
    ("Math.abs", 1): ("math.abs({1})", "number"),
    ("Math.sqrt", 1): ("math.sqrt({1})", "number"),
    ("Math.max", 2): ("math.greatest({1}, {2})", "number"),
    ("Math.min", 2): ("math.least({1}, {2})", "number"),
    ("Object.keys", 1): ("{1}.keys()", "list"),
    ("Object.values", 1): ("{1}.values()", "list"),
    ("Array.isArray", 1): ("type({1}) == list", "bool"),
    ("Date.now", 0): ("int(now) * 1000", "number"),
    ("DateTime.now", 0): ("now", "time"),
    ("DateTime.local", 0): ("now", "time"),
    ("DateTime.utc", 0): ("now", "time"),
    ("DateTime.fromISO", 1): ("parseTime({1}, " + ZONE + ")", "time"),
    ("DateTime.fromJSDate", 1): ("{1}", "time"),
    ("DateTime.fromMillis", 1): ("timestamp(int({1} / 1000))", "time"),
    ("DateTime.fromSeconds", 1): ("timestamp(int({1}))", "time"),
    ("$max", 2): ("math.greatest({1}, {2})", "number"),
    ("$min", 2): ("math.least({1}, {2})", "number"),
}
MEMBERS_OF_TIME = {
    "year": "{0}.getFullYear(" + ZONE + ")",
    "month": "{0}.getMonth(" + ZONE + ") + 1",
    "day": "{0}.getDate(" + ZONE + ")",
    "hour": "{0}.getHours(" + ZONE + ")",
    "minute": "{0}.getMinutes(" + ZONE + ")",
    "second": "{0}.getSeconds(" + ZONE + ")",
    "weekday": "({0}.getDayOfWeek(" + ZONE + ") + 6) % 7 + 1",
    "ts": "int({0}) * 1000",
}
MACROS = {
    "map": ("{0}.map({1}, {2})", "list", False),
    "filter": ("{0}.filter({1}, {2})", "list", True),
    "find": ("default({0}.filter({1}, {2}).first(), null)", "", True),
    "some": ("{0}.exists({1}, {2})", "bool", True),
    "every": ("{0}.all({1}, {2})", "bool", True),
}


def filled(template: str, kind: str, parts: list[Cel]) -> Cel:
    """A template with its parts: {0} the value itself where it has one, else {1}, {2} its arguments."""
    first = 0 if "{0}" in template else 1
    written = template
    for number, part in enumerate(parts, first):
        place = f"{{{number}}}"
        alone = f"({place})" in template or f"({place}," in template or f", {place})" in template
        written = written.replace(
            place, part.text if alone and not template.startswith(place) else part.within(PRIMARY)
        )
    binds = RELATION if " in " in template or " == " in template or " > " in template else PRIMARY
    binds = SUM if template in ("{0} + {1}",) else PRODUCT if " * " in template else binds
    return Cel(written, kind, binds)
