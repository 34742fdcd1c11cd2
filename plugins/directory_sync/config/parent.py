"""Parses how a child resource refers to its parent, in the form of dlt's `rest_api` source.

A child is read once for each entry of its parent: `groups/{resources.groups.id}/members` is the path of one
list of members for each group. Its entries get fields of the parent, named as dlt names them: the parent's
key always, and what `include_from_parent` lists. So an entry's key is its parent's key and its own.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from directory_sync.config.fields import value_at
from directory_sync.config.keys import EntryId, Key
from directory_sync.config.refusal import refuse
from directory_sync.errors import ConfigError

if TYPE_CHECKING:
    from directory_sync.config.form import Resource

_PLACEHOLDER = re.compile(r"\{resources\.([^.{}]+)\.([^{}]+)\}")

Path = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Parent:
    """The parent of a child resource, and what the child takes from each of its entries.

    Attributes:
        name: the name of the parent resource.
        key: the parent's key.
        included: the paths of the parent's fields that each entry of the child gets, without the key's.
        placeholders: the parent's fields in the child's path and parameters, as the form writes them.
    """

    name: str
    key: Key
    included: tuple[Path, ...] = ()
    placeholders: tuple[str, ...] = ()

    def key_with(self, own: Key) -> Key:
        """Returns the key of the child's entries: the parent's fields under their new names, then `own`."""
        return Key((*((self.name_of(path),) for path in self.key.paths), *own.paths))

    def fields_of(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the fields that each entry of the child gets from one entry of the parent.

        Args:
            record: the entry of the parent.
        """
        fields = {
            self.name_of(path): value
            for path, value in zip(self.key.paths, self.key.values(self.key.of(record)), strict=True)
        }
        return fields | {self.name_of(path): value_at(record, path) for path in self.included}

    def values_of(self, record: Mapping[str, Any]) -> dict[str, str]:
        """Returns the values of the placeholders for one entry of the parent.

        Args:
            record: the entry of the parent.

        Raises:
            ConfigError: the entry has no value for a placeholder, or one that is no text or integer.
        """
        values = {}
        for field in self.placeholders:
            value = value_at(record, tuple(field.split(".")))
            if not isinstance(value, str | int) or isinstance(value, bool) or value == "":
                raise ConfigError(
                    f"An entry of `{self.name}` has no text or integer in its field `{field}`, which "
                    f"`{{resources.{self.name}.{field}}}` needs. Nothing was published. Use a field that "
                    "every entry has."
                )
            values[field] = str(value)
        return values

    def parent_of(self, entry_id: EntryId) -> EntryId:
        """Returns the key of the parent to which an entry of the child belongs.

        Args:
            entry_id: the key of the child's entry.
        """
        values = json.loads(str(entry_id))[: len(self.key.paths)]
        return self.key.of(_record_with(self.key, values))

    def own_key_of(self, entry_id: EntryId) -> tuple[EntryId, ...]:
        """Returns the values of the child's own key fields.

        Args:
            entry_id: the key of the child's entry.
        """
        return tuple(json.loads(str(entry_id))[len(self.key.paths) :])

    def list_of(self, child: "Resource", values: Mapping[str, str], fields: Mapping[str, Any]) -> "Resource":
        """Returns the child as the resource of one parent's list.

        Args:
            child: the child resource.
            values: the values of the placeholders.
            fields: the parent's fields that each entry gets.

        Raises:
            ConfigError: the path would be normalised to that of another list.
        """

        def fill(text: str, *, in_path: bool) -> str:
            return _PLACEHOLDER.sub(
                lambda found: quote(values[found[2]], safe="") if in_path else values[found[2]], text
            )

        path = fill(child.path, in_path=True)
        parts = zip(child.path.split("/"), path.split("/"), strict=True)
        if any(filled in (".", "..") and filled != part for part, filled in parts):
            raise ConfigError(
                f"An entry of `{self.name}` has `.` or `..` in a field of the path of `{child.name}`: a URL "
                "with it leads to another list. Nothing was published. Use another field, or leave such "
                f"entries out by a `filter` of `{self.name}`."
            )
        return replace(
            child,
            path=path,
            params={
                name: fill(value, in_path=False) if isinstance(value, str) else value
                for name, value in child.params.items()
            },
            parent_fields=fields,
        )

    def name_of(self, path: Path) -> str:
        """Returns the name under which the child's entries have a field of the parent, as dlt names it."""
        return f"_{self.name}_{'_'.join(path)}"


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What a resource of the form says of its parent.

    Attributes:
        name: the name of the parent resource.
        placeholders: the parent's fields in the path and in the parameters.
        included: the values of `include_from_parent`.
    """

    name: str
    placeholders: tuple[str, ...]
    included: tuple[str, ...]


def with_placeholders(endpoint: Mapping[str, Any], *, where: str) -> dict[str, Any]:
    """Returns an endpoint with `{resources.<parent>.<field>}` in place of dlt's older `resolve` parameters.

    Args:
        endpoint: the endpoint in the form.
        where: the name of the resource, for messages.

    Raises:
        ConfigError: a `resolve` parameter is not in the path, or names no resource and field.
    """
    params, path = dict(endpoint.get("params") or {}), endpoint.get("path")
    for name, value in (endpoint.get("params") or {}).items():
        if not isinstance(value, Mapping) or value.get("type") != "resolve":
            continue
        if not isinstance(value.get("resource"), str) or not isinstance(value.get("field"), str):
            raise ConfigError(f"The parameter `{name}` of {where} needs a `resource` and a `field`.")
        placeholder = f"{{resources.{value['resource']}.{value['field']}}}"
        if not isinstance(path, str) or f"{{{name}}}" not in path:
            refuse(
                f"The type `resolve` of the parameter `{name}` of {where}", f'"{placeholder}" as its value'
            )
        path = path.replace(f"{{{name}}}", placeholder)
        del params[name]
    return {**endpoint, **({"path": path} if path is not None else {}), "params": params}


def parse_reference(one: Mapping[str, Any], endpoint: Mapping[str, Any], *, where: str) -> Reference | None:
    """Parses what a resource says of its parent; returns None where it has none.

    Args:
        one: the resource in the form.
        endpoint: its endpoint, see `with_placeholders`.
        where: the name of the resource, for messages.

    Raises:
        ConfigError: it names several parents, or `include_from_parent` is wrong.
    """
    for name, value in (endpoint.get("headers") or {}).items():
        if isinstance(value, str) and _PLACEHOLDER.search(value):
            refuse(f"The reference in the header `{name}` of {where}", "it in the path or in a parameter")
    texts = [endpoint.get("path"), *(endpoint.get("params") or {}).values()]
    found = [pair for text in texts if isinstance(text, str) for pair in _PLACEHOLDER.findall(text)]
    names = sorted({name for name, _ in found})
    included = one.get("include_from_parent") or ()
    if isinstance(included, str) or not all(isinstance(field, str) and field for field in included):
        raise ConfigError(f"`include_from_parent` of {where} must be a list of the parent's fields.")
    if not names:
        if included:
            raise ConfigError(
                f"`include_from_parent` of {where} needs a parent: write `{{resources.<parent>.<field>}}` in "
                "the path or in a parameter."
            )
        return None
    if len(names) > 1:
        refuse(f"More than one parent (`{'`, `'.join(names)}`) of {where}", "placeholders of one resource")
    return Reference(
        name=names[0],
        placeholders=tuple(dict.fromkeys(field for _, field in found)),
        included=tuple(dict.fromkeys(included)),
    )


def without_placeholders(text: str) -> str:
    """Returns a text of the form without its references to a parent."""
    return _PLACEHOLDER.sub("", text)


def resolve_parents(
    resources: Sequence["Resource"], references: Mapping[str, Reference]
) -> tuple["Resource", ...]:
    """Returns the resources, the children among them with their parent and their whole key.

    Args:
        resources: all resources of the form.
        references: by the child's name, what it says of its parent.

    Raises:
        ConfigError: a parent is not in the form, or is itself a child; or a child has an `incremental`.
    """
    of_name = {resource.name: resource for resource in resources}
    return tuple(
        _with_parent(one, references[one.name], of_name, references) if one.name in references else one
        for one in resources
    )


def _with_parent(
    child: "Resource",
    reference: Reference,
    of_name: Mapping[str, "Resource"],
    references: Mapping[str, Reference],
) -> "Resource":
    where = f"resource `{child.name}`"
    parent = of_name.get(reference.name)
    if parent is None:
        others = ", ".join(f"`{name}`" for name in of_name if name != child.name) or "no other"
        raise ConfigError(
            f"The parent `{reference.name}` of {where} is not among the `resources`: the form has {others}."
        )
    if parent is child or reference.name in references:
        refuse(
            f"`{reference.name}` as the parent of {where}",
            "a parent that is a list of its own: a child has no children",
        )
    if child.incremental is not None:
        refuse(
            f"`incremental` of {where}",
            "no such key: a child is read whole for each entry of its parent",
        )
    paths = tuple(tuple(field.split(".")) for field in reference.included)
    of_parent = Parent(
        name=parent.name,
        key=parent.key,
        included=tuple(path for path in paths if path not in parent.key.paths),
        placeholders=reference.placeholders,
    )
    return replace(
        child,
        parent=of_parent,
        key=of_parent.key_with(child.key),
        detail_path=_detail_path(child, of_parent, where=where),
    )


def _detail_path(child: "Resource", parent: Parent, *, where: str) -> str | None:
    """Returns a child's `detail_path`, with the fields of its whole key as placeholders."""
    path = child.detail_path
    if path is None:
        return None
    found = {tuple(field.split(".")) for _, field in _PLACEHOLDER.findall(path)}
    if found != set(parent.key.paths) or any(name != parent.name for name, _ in _PLACEHOLDER.findall(path)):
        needed = " and ".join(f"`{{resources.{parent.name}.{name}}}`" for name in parent.key.names)
        raise ConfigError(
            f"`detail_path` of {where} must have the parent's key in it, {needed}: only so an answer tells "
            "of this entry of this parent."
        )
    if len(child.key.paths) == 1:
        path = path.replace("{id}", f"{{{child.key.names[0]}}}")
    return _PLACEHOLDER.sub(lambda one: f"{{{parent.name_of(tuple(one[2].split('.')))}}}", path)


def _record_with(key: Key, values: Sequence[EntryId]) -> dict[str, Any]:
    """Returns a record that has only a key."""
    record: dict[str, Any] = {}
    for path, value in zip(key.paths, values, strict=True):
        inner = record
        for part in path[:-1]:
            inner = inner.setdefault(part, {})
        inner[path[-1]] = value
    return record
