"""Reading the triggers that remember: from any of their forms to the node that decides.

    count: T      at_least, within          absent: T       for, after, expected
    sequence: [member]   within             aggregate: T    value, function, over, above or below
    all: [member]        within             any: [member]   at_least, within

Each has `per` and `allowed_lateness` besides, which its members inherit. A member is a type
glob, a selector (`event:` and what goes with it), or again one of these. The kinds that have
a T take the rest of a selector beside it: `source`, `subject`, `match`, `where`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import isfinite
from typing import Any, Final

from base.fields import Complaints, described
from base.place import within
from base.suggest import hint
from events.expression import WHERE, Expression
from triggers import foreign_words
from triggers.absence import Absence
from triggers.aggregate import Aggregate
from triggers.combination import Combination
from triggers.count import Count
from triggers.figure import FUNCTIONS, Bound, Function
from triggers.key import Key, canonical
from triggers.listening import Listening, Node
from triggers.reading import SELECTED, Around, Limits, Reading
from triggers.sequence import Sequence

_SHARED: Final = ("per", "allowed_lateness")
FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "count": ("count", *SELECTED, "at_least", "within", *_SHARED),
    "sequence": ("sequence", "within", *_SHARED),
    "all": ("all", "within", *_SHARED),
    "any": ("any", "at_least", "within", *_SHARED),
    "absent": ("absent", *SELECTED, "for", "after", "expected", *_SHARED),
    "aggregate": (
        *("aggregate", *SELECTED, "value", "function", "over", "above", "below", "at_least"),
        *_SHARED,
    ),
}
"""By kind of trigger that remembers, the fields it has."""

MOST_MEMBERS: Final = 32
MOST_LEVELS: Final = 4
MOST_COUNTED: Final = 10_000
MOST_EXPECTED: Final = 10_000


def kind_of(form: Any) -> str | None:
    """The kind of trigger that remembers which this is the form of, if it is one."""
    return next((kind for kind in FIELDS if isinstance(form, Mapping) and kind in form), None)


def parse_node(
    form: Mapping[str, Any], place: str, limits: Limits, complaints: Complaints
) -> Node | None:
    """A whole trigger, of a form that has a kind; None if anything is wrong with it."""
    before = len(complaints.found)
    around = Around(limits, complaints, Key(), limits.allowed_lateness, 1)
    node = _node(form, place, around)
    return node if len(complaints.found) == before else None


def _node(form: Mapping[str, Any], place: str, around: Around) -> Node | None:
    kind = kind_of(form)
    assert kind is not None, "the caller has seen to it"
    if around.level > MOST_LEVELS:
        around.complaints.add(place, f"triggers nest {MOST_LEVELS} levels deep at most")
        return None
    reading = Reading.of(form, place, around, FIELDS[kind])
    match kind:
        case "count":
            return _count(reading)
        case "absent":
            return _absence(reading)
        case "aggregate":
            return _aggregate(reading)
        case _:
            return _gathering(kind, reading)


def _count(reading: Reading) -> Node | None:
    at_least = reading.number("at_least", None, MOST_COUNTED)
    span = reading.span("within")
    counted = reading.listening("count")
    around = reading.around
    if counted is None:
        return None
    return Count(counted, at_least, span, around.per, around.lateness)


def _gathering(kind: str, reading: Reading) -> Node | None:
    """A sequence, all, or any."""
    members = _members(kind, reading)
    around = reading.around
    if kind == "sequence":
        span = reading.span("within")
        return Sequence(members, span, around.per, around.lateness) if members else None
    at_least = len(members)
    if kind == "any" and members:
        at_least = reading.number("at_least", 1, len(members))
    # Where one member is enough, no other has to be near it.
    alone = kind == "any" and at_least == 1
    span = reading.span("within", needed=not alone)
    if not members:
        return None
    return Combination(members, at_least, 0 if alone else span, around.per, around.lateness)


def _members(kind: str, reading: Reading) -> tuple[Listening | Node, ...]:
    items, complaints = reading.form[kind], reading.around.complaints
    place = within(reading.place, kind)
    if not isinstance(items, list) or not 0 < len(items) <= MOST_MEMBERS:
        said = f"{len(items)} of them" if isinstance(items, list) else described(items)
        example = "[order.created, order.paid]" if not isinstance(items, list) else None
        complaints.add(
            place, f"must be a list of 1 to {MOST_MEMBERS} members, not {said}", hint=example
        )
        return ()
    members = [
        _member(item, within(place, number), reading.around) for number, item in enumerate(items)
    ]
    found = tuple(member for member in members if member is not None)
    _compare_keys(found, place, complaints)
    return found


def _member(item: Any, place: str, around: Around) -> Listening | Node | None:
    if not isinstance(item, Mapping):
        item = {"event": item}
    if "event" not in item:
        if kind_of(item) is not None:
            return _node(item, place, replace(around, level=around.level + 1))
        known = ("event", *FIELDS)
        meant = next((advice for name in item if (advice := hint(str(name), known))), None)
        around.complaints.add(
            place,
            "a member is a type glob, a selector with `event`, or a trigger that remembers",
            hint=foreign_words.meant(item) or meant or "- order.created",
        )
        return None
    return Reading.of(item, place, around, ("event", *SELECTED, "per")).listening("event")


def _compare_keys(
    members: tuple[Listening | Node, ...], place: str, complaints: Complaints
) -> None:
    """Keys are compared by position, so all members have as many."""
    counts = [len(member.per.paths) for member in members]
    if len(set(counts)) > 1:
        complaints.add(
            place,
            f"members are compared by as many paths each, and these have {counts} in `per`",
            hint="give each member a `per`, or one to the trigger for all",
        )


def _absence(reading: Reading) -> Node | None:
    around = reading.around
    span = reading.span("for")
    absent = reading.listening("absent")
    after = None
    if reading.fields.has("after"):
        place = reading.fields.at("after")
        after = _member(reading.form["after"], place, around)
        if absent is not None and after is not None:
            _compare_keys((absent, after), place, around.complaints)
    expected = _expected(reading)
    if absent is None:
        return None
    return Absence(absent, span, after, expected, around.per, around.lateness)


def _expected(reading: Reading) -> tuple[str, ...]:
    """The keys that are known beforehand, as they are stored; their order means nothing."""
    fields, paths = reading.fields, reading.around.per.paths
    if not fields.has("expected"):
        return ()
    items = fields.raw("expected")
    if not paths:
        fields.complain("expected", "names keys, and there is no `per` to say of what")
    elif fields.has("after"):
        fields.complain("expected", "does not go with `after`, which alone begins a wait")
    elif not isinstance(items, list) or not 0 < len(items) <= MOST_EXPECTED:
        fields.complain("expected", f"must be a list of 1 to {MOST_EXPECTED:,} keys")
    else:
        for number, item in enumerate(items):
            values = item if isinstance(item, list) and len(paths) > 1 else [item]
            if len(values) != len(paths) or not all(map(_is_scalar, values)):
                wanted = "a list of them for the paths of `per`" if len(paths) > 1 else "a scalar"
                reading.around.complaints.add(
                    within(fields.at("expected"), number),
                    f"a key is {wanted}, not {described(item)}",
                )
                return ()
        return tuple(sorted({canonical(item) for item in items}))
    return ()


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float)


def _aggregate(reading: Reading) -> Node | None:
    around = reading.around
    function = _function(reading)
    value = _value(reading, function)
    span = reading.span("over")
    bound = _bound(reading, function)
    at_least = reading.number("at_least", 1, MOST_COUNTED)
    measured = reading.listening("aggregate", value)
    if measured is None or function is None or bound is None:
        return None
    return Aggregate(measured, function, span, bound, at_least, around.per, around.lateness)


def _function(reading: Reading) -> Function | None:
    fields = reading.fields
    named = fields.text("function")
    if not fields.has("function"):
        reading.missing("function", f"there are {', '.join(FUNCTIONS)}")
        return None
    found = next((one for one in FUNCTIONS if one == named), None)
    if named and found is None:
        advice = hint(named, FUNCTIONS) or f"there are {', '.join(FUNCTIONS)}"
        fields.complain("function", f"there is no function `{named}`", advice)
    return found


def _value(reading: Reading, function: Function | None) -> Expression | None:
    fields = reading.fields
    if not fields.has("value"):
        reading.missing("value", "value: event.data.total")
    source = fields.text("value")
    if not source:
        return None
    read: list[Expression] = []
    with reading.around.complaints.kept():
        read.append(Expression.compile(source, scope=WHERE, place=fields.at("value")))
    value = read[0] if read else None
    fits = {"BOOL"} if function == "ratio" else {"INT", "UINT", "DOUBLE"}
    if value is not None and function is not None and value.type not in {*fits, "DYN"}:
        wanted = "true or false" if function == "ratio" else "a number"
        fields.complain("value", f"`{source}` is not {wanted}")
    return value


def _bound(reading: Reading, function: Function | None) -> Bound | None:
    fields = reading.fields
    if fields.has("above") == fields.has("below"):
        said = "either `above` or `below`, not both" if fields.has("above") else "a bound"
        reading.around.complaints.add(
            reading.place, f"an aggregate has {said}", code="field_missing", hint="above: 100"
        )
        return None
    side = "above" if fields.has("above") else "below"
    limit = fields.raw(side)
    if isinstance(limit, bool) or not isinstance(limit, int | float) or not isfinite(limit):
        fields.complain(side, f"must be a number, not {described(limit)}")
        return None
    if function == "ratio" and not 0 <= limit <= 1:
        fields.complain(side, f"a ratio lies between 0 and 1, and never {side} {limit}")
        return None
    whole = int(limit) if limit == int(limit) else limit
    return Bound("above" if side == "above" else "below", whole)
