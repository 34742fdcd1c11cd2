"""The connection type in Airflow's interface: filled in, tested and edited by hand, as a person does it."""

import re
from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import Locator, Page, expect

CONN_ID = "directory_by_hand"
HIDDEN = "***"


def add(page: Page) -> Locator:
    """The empty form of the type, reached by the menu."""
    page.goto("/")
    page.get_by_role("button", name="Admin").click()
    # A type that is chosen before the types are there is forgotten when they come.
    with page.expect_response(lambda answer: "hook_meta" in answer.url):
        page.get_by_role("menuitem", name="Connections").click()
        page.get_by_role("button", name="Add Connection").click()
    form = page.get_by_role("dialog")
    form.get_by_label("Connection ID").fill(CONN_ID)
    form.get_by_label("Connection Type").click()
    page.keyboard.type("directory")
    page.get_by_role("option", name="Directory API", exact=True).click()
    return form


def fill(form: Locator, airflow) -> None:
    form.get_by_label("Base URL").fill(airflow.sandbox.url)
    form.get_by_label("Client ID").fill(airflow.sandbox.settings.client_id)
    form.get_by_label("Client secret").fill(airflow.sandbox.settings.client_secret)


def extra(form: Locator, label: str) -> Locator:
    """A field among the extra ones; Airflow ties no label to its input."""
    named = form.page.get_by_text(re.compile(rf"^{re.escape(label)} *\*?$"))
    return form.get_by_role("group").filter(has=named)


def save(form: Locator) -> None:
    with form.page.expect_response(lambda answer: answer.request.method in ("POST", "PATCH")) as saved:
        form.get_by_role("button", name="Save").click()
    assert saved.value.ok, f"{saved.value.status}: {saved.value.text()}"
    expect(form).to_be_hidden()


def test(page: Page) -> Locator:
    """Presses the button; what is said then."""
    page.get_by_role("row", name=CONN_ID).get_by_role("button", name="Test Connection").click()
    return page.get_by_role("status").filter(has_text="Test Connection")


test.__test__ = False


@pytest.fixture
def heard() -> list[str]:
    """What the API server sent."""
    return []


@pytest.fixture
def page(page_of, heard, airflow) -> Iterator[Page]:
    page = page_of("admin")
    page.on("response", lambda answer: heard.append(answer.text()) if "/api/v2/" in answer.url else None)
    yield page
    headers = {"Authorization": f"Bearer {airflow.token('admin')}"}
    requests.delete(f"{airflow.url}/api/v2/connections/{CONN_ID}", headers=headers, timeout=60)


def test_the_form_has_the_labelled_fields_and_no_others(page, picture):
    form = add(page)
    groups = form.get_by_role("region", name="Standard Fields").get_by_role("group")
    expect(groups).to_have_text(["Base URL", "Client ID or user", "Client secret, token, key or password"])
    expect(form.get_by_label("Client secret")).to_have_attribute("type", "password")
    values = {
        "Base URL": "https://directory.example.org",
        "Client ID": "my-client",
        "Client secret": "made up",
    }
    for label, value in values.items():
        form.get_by_label(label).fill(value)
    picture(page, "connection", height=770)
    form.get_by_role("button", name="Extra Fields", exact=True).click()
    for label, description in {
        "Sign-in": "Empty: as the form in the Dag file says; OAuth2 where it says nothing.",
        "API key: name": "Of the header, parameter or cookie. Empty: Authorization",
        "Token URL": "OAuth2. Absolute, or a path on the base URL. Empty: /oauth/token",
        "Scope": "OAuth2. The scope to request for the token, if the API needs one.",
        "Auth method": "OAuth2. How the client says who it is at the token URL. Empty: in the body.",
        "Proxy": "Such as http://proxy.example.org:3128, or: environment.",
        "Verify TLS": "Turn off only for a test server. For your own CA, put its path into the extra.",
        "Timeout (seconds)": "How long to wait for an answer. Empty: 30",
        "Requests per second": "The rate that the API allows this client. Empty: it is found by adapting.",
        "Path to try": "The path that the Test button reads, such as /v1/directory?limit=5.",
    }.items():
        expect(extra(form, label)).to_contain_text(description)
    form.get_by_role("combobox", name="Sign-in").click()
    expect(page.get_by_role("option")).to_have_text(
        [
            "OAuth2: tokens for a client id and its secret or key",
            "Token: sent as it is (bearer)",
            "API key: in a header, the query or a cookie",
            "User and password (HTTP basic)",
            "None",
        ]
    )
    page.keyboard.press("Escape")


def test_a_connection_made_by_hand_is_tested_and_says_what_it_found(page, airflow):
    form = add(page)
    fill(form, airflow)
    form.get_by_role("button", name="Extra Fields", exact=True).click()
    extra(form, "Path to try").get_by_role("textbox").fill("/v1/directory?limit=5")
    save(form)
    said = test(page)
    expect(said).to_contain_text("Test Connection Successful")
    expect(said).to_contain_text("Token granted. /v1/directory answered in ")
    expect(said).to_contain_text('"data_selector": "data", with 5 entries')


def test_the_stored_secret_never_comes_back(page, airflow, heard):
    secret = airflow.sandbox.settings.client_secret
    form = add(page)
    fill(form, airflow)
    save(form)
    page.reload()
    page.get_by_role("row", name=CONN_ID).get_by_role("button", name="Edit Connection").click()
    expect(form.get_by_label("Client secret")).to_have_value(HIDDEN)
    form.get_by_role("button", name="Extra Fields", exact=True).click()
    expect(form.get_by_label("Verify TLS")).to_be_attached()
    assert secret not in page.content()
    save(form)
    # Saved with its mask, it is still the secret.
    expect(test(page)).to_contain_text("Token granted. ")
    answers = [text for text in heard if CONN_ID in text]
    assert len(answers) >= 4
    assert not [text for text in heard if secret in text]


def test_a_wrong_base_url_is_explained(page, airflow):
    form = add(page)
    fill(form, airflow)
    form.get_by_label("Base URL").fill("http://directory.invalid")
    save(form)
    said = test(page)
    expect(said).to_contain_text("Test Connection Failed")
    expect(said).to_contain_text(
        "The token URL: no connection, the host's name is unknown. The address was "
        "http://directory.invalid/oauth/token. Check the base URL"
    )


def test_the_stored_secret_is_not_sent_to_another_host(page, airflow):
    form = add(page)
    fill(form, airflow)
    save(form)
    body = {"connection_id": CONN_ID, "conn_type": "directory_api", "port": 0, "password": HIDDEN}
    headers = {"Authorization": f"Bearer {airflow.token('admin')}"}
    url = f"{airflow.url}/api/v2/connections/test"
    elsewhere = requests.post(url, json=body | {"host": "http://127.0.0.1:1"}, headers=headers, timeout=60)
    assert elsewhere.status_code == 400
    another_port = {"host": airflow.sandbox.url, "port": 8443}
    assert requests.post(url, json=body | another_port, headers=headers, timeout=60).status_code == 400
