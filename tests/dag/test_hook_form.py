"""The connection's form as Airflow 3.0 and 3.1 ask the hook for it, with parts of WTForms that they lend."""

import sys
from types import ModuleType

import pytest
from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService

from directory_sync.airflow.hook import DirectoryApiHook
from directory_sync.airflow.provider import get_provider_info

[TYPE] = get_provider_info()["connection-types"]


@pytest.fixture
def fields(monkeypatch):
    """The fields that the hook makes of what Airflow's API server lends it."""
    wtforms, validators = ModuleType("wtforms"), ModuleType("wtforms.validators")
    wtforms.StringField = HookMetaService.MockStringField
    wtforms.PasswordField = HookMetaService.MockPasswordField
    wtforms.BooleanField = HookMetaService.MockBooleanField
    validators.any_of = HookMetaService.MockEnum
    monkeypatch.setitem(sys.modules, "wtforms", wtforms)
    monkeypatch.setitem(sys.modules, "wtforms.validators", validators)
    return {name: one.param for name, one in DirectoryApiHook.get_connection_form_widgets().items()}


def test_it_has_the_fields_of_the_newer_form_in_their_order(fields):
    assert list(fields) == list(TYPE["conn-fields"])
    for name, field in fields.items():
        given = TYPE["conn-fields"][name]
        assert (field.schema["title"], field.description) == (given["label"], given["description"])


def test_a_choice_has_its_values_and_their_words(fields):
    given = TYPE["conn-fields"]["auth_type"]["schema"]
    assert fields["auth_type"].schema["enum"] == given["enum"]
    assert fields["auth_type"].schema["values_display"] == given["values_display"]


def test_a_secret_is_hidden_and_tls_is_verified_unless_turned_off(fields):
    hidden = {name for name, one in fields.items() if one.schema.get("format") == "password"}
    assert hidden == {"refresh_token", "private_key_passphrase"}
    assert fields["verify"].value is True


def test_the_standard_fields_have_the_same_labels():
    behaviour = DirectoryApiHook.get_ui_field_behaviour()
    assert behaviour["hidden_fields"] == TYPE["ui-field-behaviour"]["hidden-fields"]
    assert behaviour["relabeling"]["host"] == "Base URL"
    assert set(behaviour) == {"hidden_fields", "relabeling", "placeholders"}


@pytest.mark.parametrize("method", ["get_connection_form_widgets", "get_ui_field_behaviour"])
def test_the_hook_s_own_class_has_the_methods(method):
    """Airflow does not look at a class above it."""
    assert method in vars(DirectoryApiHook)
