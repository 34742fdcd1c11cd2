"""The shape of records, learnt from a sample: their members and the types of these."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Value:
    """A scalar.

    Attributes:
        kinds: the Python types of its values; empty: it was always null.
        column: the column that dlt puts it into; empty: not known, or always null.
        data_type: dlt's type of that column.
    """

    kinds: set[type] = field(default_factory=set)
    column: str = ""
    data_type: str = ""


@dataclass
class Object:
    """An object, with the shapes of its members."""

    members: "dict[str, Shape]" = field(default_factory=dict)


@dataclass
class List:
    """A list, with the shape of its elements and the child table that dlt makes of it."""

    element: "Shape"
    table: str = ""


Shape = Value | Object | List


def merged(shape: "Shape | None", value: Any) -> "Shape | None":
    """Returns a shape extended by one more value; None where no shape fits both."""
    if shape is None or (value is not None and is_unseen(shape)):
        shape = _shape_of(value)
    if value is None:
        return shape
    if isinstance(value, dict) and isinstance(shape, Object):
        members = {key: merged(shape.members.get(key), member) for key, member in value.items()}
        shape.members.update((key, one) for key, one in members.items() if one is not None)
        return None if None in members.values() else shape
    if isinstance(value, list) and isinstance(shape, List):
        for element in value:
            merged_element = merged(shape.element, element)
            if merged_element is None:
                return None
            shape.element = merged_element
        return shape
    if isinstance(shape, Value) and not isinstance(value, (dict, list)):
        shape.kinds.add(type(value))
        return shape
    return None


def tells(value: Any, shape: "Shape | None") -> bool:
    """Tells whether a value has a field, or a type in one, that a shape lacks; `merged` would extend it."""
    if shape is None:
        return True
    if value is None:
        return False
    if isinstance(value, dict):
        return not isinstance(shape, Object) or any(
            tells(member, shape.members.get(key)) for key, member in value.items()
        )
    if isinstance(value, list):
        return not isinstance(shape, List) or any(tells(element, shape.element) for element in value)
    return not isinstance(shape, Value) or type(value) not in shape.kinds


def _shape_of(value: Any) -> Shape:
    if isinstance(value, dict):
        return Object()
    return List(Value()) if isinstance(value, list) else Value()


def is_unseen(shape: Shape) -> bool:
    """Tells whether a value was always null or absent."""
    return isinstance(shape, Value) and not shape.kinds


def marked(shape: Shape) -> Any:
    """Returns a record of this shape whose scalars are the `Value` objects themselves."""
    if isinstance(shape, Object):
        return {name: marked(member) for name, member in shape.members.items()}
    if isinstance(shape, List):
        return [] if is_unseen(shape.element) else [marked(shape.element)]
    return shape


def values_of(shape: Shape) -> Iterator[Value]:
    """Yields all scalars, except those of lists that were always empty."""
    for one in of_one_row(shape):
        if isinstance(one, Value):
            yield one
        elif not is_unseen(one.element):
            yield from values_of(one.element)


def of_one_row(shape: Shape) -> "Iterator[Value | List]":
    """Yields the scalars of a row and its lists, without what is inside the lists."""
    if isinstance(shape, Object):
        for member in shape.members.values():
            yield from of_one_row(member)
    else:
        yield shape
