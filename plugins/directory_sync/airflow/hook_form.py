"""The connection's form for Airflow 3.0 and 3.1, which ask the hook for it; later ones read `provider.py`.

Airflow's API server reads the fields as parts of WTForms. It lends its own parts while it asks, whether
WTForms is installed or not.
"""

from importlib import import_module
from typing import Any

from directory_sync.airflow.provider import get_provider_info


def connection_form_widgets() -> dict[str, Any]:
    """Returns the extra fields of the form, by their names.

    A text stands for what these Airflows have no field for: a number, or a JSON object.
    """
    return {name: _field(given) for name, given in _connection_type()["conn-fields"].items()}


def ui_field_behaviour() -> dict[str, Any]:
    """Returns which standard fields are hidden, and the labels and placeholders of the others."""
    behaviour = _connection_type()["ui-field-behaviour"]
    return {name.replace("-", "_"): value for name, value in behaviour.items()}


def _connection_type() -> dict[str, Any]:
    (found,) = get_provider_info()["connection-types"]
    return dict(found)


def _field(given: dict[str, Any]) -> Any:
    wtforms, schema = import_module("wtforms"), given["schema"]
    label, description = given["label"], given["description"]
    if schema["type"] == "boolean":
        return wtforms.BooleanField(label, description=description, default=schema["default"])
    if schema.get("format") == "password":
        return wtforms.PasswordField(label, description=description)
    if "enum" not in schema:
        return wtforms.StringField(label, description=description)
    any_of = import_module("wtforms.validators").any_of
    field = wtforms.StringField(label, description=description, validators=[any_of(schema["enum"])])
    if lent := getattr(field, "param", None):
        lent.schema["values_display"] = schema["values_display"]
    return field
