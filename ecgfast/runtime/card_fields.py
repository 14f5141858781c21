"""What the fields of a model card may hold: a card may come from anybody."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["LOOKAHEAD_LABELS", "check_card", "left_out_heading", "probabilities_heading"]

#: What a label is called by the later beats that were waited for: none, or one.
LOOKAHEAD_LABELS = ("label with the beat", "label one beat later")

# Lists and objects within each other: twice what training writes.
_DEEPEST = 20
# Outputs of a model; the largest here has five.
_MOST_CLASSES = 1000

Check = Callable[[Any, str], None]


def left_out_heading(view: str) -> str:
    """Heading among the metrics of one view's figures of people left out of training."""
    return f"people left out of training, cross-validation, {view}"


def probabilities_heading(view: str) -> str:
    """Heading among the metrics of what one view's probabilities are worth."""
    return f"probabilities, cross-validation, {view}"


def check_card(given: dict[str, Any]) -> None:
    """Check the fields of a card as JSON has them; unknown and missing ones are not looked for.

    Raises
    ------
    ValueError
        A field does not hold what it has to; the message begins with the field.
    """
    _check_plain(given, "", 0)
    for name, check in _FIELDS.items():
        if name in given:
            check(given[name], name)


def _wrong(field: str, wanted: str, value: Any) -> ValueError:
    shown = repr(value)
    return ValueError(f"{field} must be {wanted}, not {shown[:40]}{'...' * (len(shown) > 40)}")


def _check_plain(value: Any, field: str, depth: int) -> None:
    """Refuse what cannot be shown or written again."""
    if depth > _DEEPEST:
        raise ValueError(f"{field.partition('.')[0]} is nested more than {_DEEPEST} deep")
    items: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    elif isinstance(value, str) and not value.isascii():
        _check_encoding(value, field)
    for key, item in items:
        if isinstance(key, str):
            _check_encoding(key, field or "a field")
        _check_plain(item, f"{field}.{key}" if field else str(key), depth + 1)


def _check_encoding(text: str, field: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{field} holds half a character (a lone surrogate)") from None


def _text(value: Any, field: str) -> None:
    if not isinstance(value, str):
        raise _wrong(field, "a text", value)


def _some_text(value: Any, field: str) -> None:
    _text(value, field)
    if not value.strip():
        raise _wrong(field, "a text that is not empty", value)


def _number(value: Any, field: str) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise _wrong(field, "a finite number", value)


def _positive(value: Any, field: str) -> None:
    _number(value, field)
    if value <= 0:
        raise _wrong(field, "above zero", value)


def _flag(value: Any, field: str) -> None:
    if not isinstance(value, bool):
        raise _wrong(field, "true or false", value)


def _whole(least: int, most: int = 2**31 - 1) -> Check:
    def check(value: Any, field: str) -> None:
        if isinstance(value, bool) or not isinstance(value, int):
            raise _wrong(field, "a whole number", value)
        if not least <= value <= most:
            raise _wrong(field, f"from {least} to {most}", value)

    return check


def _one_of(*values: str) -> Check:
    def check(value: Any, field: str) -> None:
        if value not in values:
            raise _wrong(field, f"one of {', '.join(values)}", value)

    return check


def _list_of(check: Check, least: int = 0, most: int = 10**6) -> Check:
    def check_list(value: Any, field: str) -> None:
        if not isinstance(value, list):
            raise _wrong(field, "a list", value)
        if not least <= len(value) <= most:
            raise ValueError(f"{field} must have {least} to {most} items, not {len(value)}")
        for i, item in enumerate(value):
            check(item, f"{field}[{i}]")

    return check_list


def _object_of(check: Check) -> Check:
    def check_object(value: Any, field: str) -> None:
        if not isinstance(value, dict):
            raise _wrong(field, "an object", value)
        for key, item in value.items():
            check(item, f"{field}.{key}")

    return check_object


def _object(
    needed: dict[str, Check], optional: dict[str, Check] | None = None, *, more: bool = False
) -> Check:
    """An object with these members, and with `more` any other."""
    known = {**needed, **(optional or {})}

    def check_object(value: Any, field: str) -> None:
        if not isinstance(value, dict):
            raise _wrong(field, "an object", value)
        for name in needed.keys() - value.keys():
            raise ValueError(f"{field} lacks {name}")
        for name, item in value.items():
            if name in known:
                known[name](item, f"{field}.{name}")
            elif not more:
                raise ValueError(f"{field} has {name!r}, which is not known")

    return check_object


def _optional(check: Check) -> Check:
    def check_optional(value: Any, field: str) -> None:
        if value is not None:
            check(value, field)

    return check_optional


def _anything(value: Any, field: str) -> None:
    pass


def _classes(value: Any, field: str) -> None:
    _list_of(_some_text, 1, _MOST_CLASSES)(value, field)
    for i, label in enumerate(value):
        if label in value[:i]:
            raise ValueError(f"{field}[{i}] is {label!r} a second time")


def _inputs(value: Any, field: str) -> None:
    shape = _list_of(_whole(1, 10**6), 1, 8)
    spec = _object({"name": _some_text, "shape": shape}, {"meaning": _text, "dtype": _text})
    _list_of(spec, 1, 2)(value, field)


def _file_name(value: Any, field: str) -> None:
    """A name beside the card: no folder, so that a card names no file of somebody else's."""
    _some_text(value, field)
    if value in (".", "..") or set(value) & set("/\\:\0"):
        raise _wrong(field, "the name of a file beside the card", value)


def _metrics(value: Any, field: str) -> None:
    _object_of(_anything)(value, field)
    figures = {"sensitivity": _number, "positive_predictivity": _number}
    point = _object(
        {
            "by": _one_of("sensitivity", "positive predictivity"),
            "wanted": _number,
            "threshold": _number,
            **figures,
        },
        {"intervals_95": _intervals(*figures), "holds": _flag},
    )
    shares = {"coverage": _number, "accuracy": _number}
    kept = _object({"threshold": _number, **shares}, {"intervals_95": _intervals(*shares)})
    check_figures = _object(
        {},
        {
            "bins": _list_of(_object_of(_anything)),
            "coverage": _list_of(kept),
            "operating points": _object_of(_list_of(point)),
        },
        more=True,
    )
    for view in LOOKAHEAD_LABELS:
        if (heading := probabilities_heading(view)) in value:
            check_figures(value[heading], f"{field}.{heading}")


def _intervals(*names: str) -> Check:
    pair = _list_of(_number, 2, 2)
    return _object({}, dict.fromkeys(names, pair))


_FIELDS: dict[str, Check] = {
    "name": _some_text,
    "description": _text,
    "task": _text,
    "classes": _classes,
    "inputs": _inputs,
    "output": _one_of("probability", "value"),
    "unit": _text,
    "window": _optional(
        _object(
            {"grid_fs": _positive, "before": _whole(0, 10**6), "after": _whole(0, 10**6)},
            {"form": _one_of("beat", "cycle", "strip"), "history": _whole(1, 1000)},
        )
    ),
    "lookahead": _whole(0, 1),
    "architecture": _object_of(_anything),
    "parameters": _whole(0, 2**53),
    "forms": _object_of(
        _object({"file": _file_name}, {"sha256": _text, "bytes": _whole(0, 2**53)}, more=True)
    ),
    "fastest": _object({}, {"forms": _object_of(_text)}, more=True),
    "data": _object_of(_anything),
    "split": _object_of(_anything),
    "seed": _optional(_whole(0, 2**64)),
    "command": _text,
    "metrics": _metrics,
    "limits": _list_of(_text),
    "versions": _object_of(_text),
}
