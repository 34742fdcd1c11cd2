"""The way to the API: a proxy, the environment's proxies on request, our certificate for TLS."""

import base64
import logging
import os
import select
import socket
import ssl
import traceback
from urllib.parse import urlsplit

import pytest

from directory_sync.api.client import DirectoryClient
from directory_sync.config.access import ApiSettings
from directory_sync.config.form import Resource
from directory_sync.config.paging import OffsetPages
from directory_sync.errors import ApiUnavailableError, ConfigError
from tests.wire import WireServer, http, self_signed

PASSWORD = "SENTINEL/PASS"
QUOTED = "SENTINEL%2FPASS"
BASIC = base64.b64encode(f"user:{PASSWORD}".encode()).decode()
PAGE = http([{"id": 1}])
VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


class Proxy(WireServer):
    """An HTTP proxy: passes on requests with an absolute URL, and tunnels for CONNECT.

    Attributes:
        asked: the first lines that it was sent.
        password: what it wants; None: nothing.
        refuses: the status line of each answer to CONNECT; empty: it tunnels.
    """

    def __init__(self, *, password=None, refuses=""):
        super().__init__()
        self.asked: list[str] = []
        self.password, self.refuses = password, refuses

    def _answer(self, connection):
        head = self._read_request(connection)
        if not head:
            return
        first, *headers = head.decode().split("\r\n")
        self.asked.append(first)
        if self.password and f"Proxy-Authorization: Basic {self.password}" not in headers:
            connection.sendall(http({}, status="407 Proxy Authentication Required"))
        elif self.refuses:
            connection.sendall(http({}, status=self.refuses))
        elif first.startswith("CONNECT"):
            host, port = first.split()[1].rsplit(":", 1)
            with socket.create_connection((host, int(port))) as onward:
                connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                self._pass_on(connection, onward)
        else:
            method, url, version = first.split()
            parts = urlsplit(url)
            with socket.create_connection((parts.hostname, parts.port)) as onward:
                path = f"{parts.path}?{parts.query}" if parts.query else parts.path
                kept = [line for line in headers if not line.startswith("Proxy-")]
                onward.sendall("\r\n".join([f"{method} {path} {version}", *kept, "", ""]).encode())
                self._pass_on(connection, onward)

    @staticmethod
    def _pass_on(one, other):
        pair = {one: other, other: one}
        while True:
            for ready in select.select(list(pair), [], [], 5)[0]:
                received = ready.recv(65536)
                if not received:
                    return
                pair[ready].sendall(received)


@pytest.fixture(autouse=True)
def _environment_without_proxies(monkeypatch):
    for name in (*VARIABLES, *map(str.lower, VARIABLES)):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def open_client():
    opened = []

    def open_one(base_url, *, mask=lambda secret: None, max_retries=0, **settings):
        api = ApiSettings(base_url=base_url, auth_type="none", timeout_seconds=5.0, **settings)
        resource = Resource(name="things", path="/things", selector=(), pages=OffsetPages())
        client = DirectoryClient(api, resource, mask=mask, max_retries=max_retries)
        opened.append(client)
        return client

    yield open_one
    for client in opened:
        client.close()


@pytest.fixture
def server():
    with WireServer(PAGE) as server:
        yield server


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return self_signed(tmp_path_factory.mktemp("tls") / "localhost.pem")


@pytest.fixture
def tls(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with WireServer(PAGE, context=context) as server:
        yield server


def test_requests_go_through_the_proxy(open_client, server):
    with Proxy() as proxy:
        assert len(open_client(server.url, proxy=proxy.url).page(0).entries) == 1
    assert [line.partition("?")[0] for line in proxy.asked] == [f"GET {server.url}/things"]


def test_tls_goes_through_the_proxy_in_a_tunnel(open_client, certificate, tls):
    with Proxy() as proxy:
        client = open_client(tls.url, proxy=proxy.url, verify=str(certificate))
        assert len(client.page(0).entries) == 1
    assert [line.rpartition(" ")[0] for line in proxy.asked] == [
        f"CONNECT {tls.url.removeprefix('https://')}"
    ]


def test_without_the_setting_the_environments_proxy_is_not_used(open_client, server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert len(open_client(server.url).page(0).entries) == 1


def test_the_environments_proxy_is_used_on_request_but_for_no_proxy(open_client, server, monkeypatch):
    with Proxy() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        open_client(server.url, proxy="environment").page(0)
        assert len(proxy.asked) == 1
        monkeypatch.setenv("NO_PROXY", "localhost")
        open_client(server.url, proxy="environment").page(0)
    assert len(proxy.asked) == 1


@pytest.mark.parametrize("by_environment", [False, True])
def test_user_and_password_of_the_proxy_are_sent_to_it_and_masked(
    open_client, server, monkeypatch, caplog, by_environment
):
    caplog.set_level(logging.DEBUG)
    masked = []
    with Proxy(password=BASIC) as proxy:
        url = proxy.url.replace("http://", f"http://user:{QUOTED}@")
        monkeypatch.setenv("HTTP_PROXY", url)
        given = "environment" if by_environment else url
        client = open_client(server.url, proxy=given, mask=masked.append)
        assert {PASSWORD, QUOTED, BASIC} <= set(masked)
        assert len(client.page(0).entries) == 1
    assert "SENTINEL" not in caplog.text


@pytest.mark.parametrize("through_a_tunnel", [False, True])
def test_a_proxy_that_wants_another_password_is_a_config_error(open_client, server, tls, through_a_tunnel):
    with Proxy(password="another") as proxy:
        url = proxy.url.replace("http://", f"http://user:{QUOTED}@")
        client = open_client(tls.url if through_a_tunnel else server.url, proxy=url)
        with pytest.raises(ConfigError, match=r"The proxy answered 407.*`proxy` of the connection") as caught:
            client.page(0)
    assert_hides(caught.value)


def test_a_proxy_that_does_not_allow_the_host_is_a_config_error(open_client, tls):
    with Proxy(refuses="403 Forbidden") as proxy, pytest.raises(ConfigError, match="The proxy answered 403"):
        open_client(tls.url, proxy=proxy.url).page(0)


def test_a_proxy_that_cannot_reach_the_host_now_is_asked_again(open_client, tls):
    with (
        Proxy(refuses="502 Bad Gateway") as proxy,
        pytest.raises(ApiUnavailableError, match="no connection through the proxy"),
    ):
        open_client(tls.url, proxy=proxy.url).page(0)


def test_a_proxy_that_is_not_there_is_told(open_client):
    with pytest.raises(ApiUnavailableError, match="no connection through the proxy") as caught:
        open_client("http://api.invalid", proxy=f"http://user:{QUOTED}@127.0.0.1:1").page(0)
    assert_hides(caught.value)


# -- Our certificate


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    """Our certificate with its key."""
    return self_signed(tmp_path_factory.mktemp("ours") / "ours.pem")


@pytest.fixture(params=["TLSv1_2", "TLSv1_3"])
def asking(request, certificate, ours):
    """A server that wants our certificate, in this version of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = ssl.TLSVersion[request.param]
    context.load_cert_chain(certificate)
    context.load_verify_locations(ours)
    context.verify_mode = ssl.CERT_REQUIRED
    with AskingServer(PAGE, context=context) as server:
        yield server


class AskingServer(WireServer):
    """Refuses a handshake so that the client reads why: its request is read before the connection ends."""

    def _answer(self, connection):
        secured = self.context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        with secured:
            try:
                secured.do_handshake()
            except ssl.SSLError:
                secured.setblocking(True)
                secured.shutdown(socket.SHUT_WR)
                while os.read(secured.fileno(), 65536):
                    pass
                return
            self._read_request(secured)
            secured.sendall(self.answer)


def test_our_certificate_signs_in(open_client, certificate, ours, asking):
    client = open_client(asking.url, verify=str(certificate), client_cert=(str(ours), str(ours)))
    assert len(client.page(0).entries) == 1


def test_our_certificate_goes_through_a_proxy(open_client, certificate, ours, asking):
    with Proxy() as proxy:
        client = open_client(
            asking.url, verify=str(certificate), client_cert=(str(ours), str(ours)), proxy=proxy.url
        )
        assert len(client.page(0).entries) == 1


def test_a_server_that_wants_a_certificate_is_told_as_that(open_client, certificate, asking):
    with pytest.raises(ConfigError, match=r"without a client certificate.*`client_cert`"):
        open_client(asking.url, verify=str(certificate)).page(0)


def test_a_certificate_that_the_server_does_not_know_is_told_as_that(open_client, certificate, asking):
    with pytest.raises(ConfigError, match="refuses our client certificate"):
        open_client(
            asking.url, verify=str(certificate), client_cert=(str(certificate), str(certificate))
        ).page(0)


def test_a_certificate_that_cannot_be_used_is_told_before_any_request(
    open_client, ours, certificate, tmp_path
):
    broken = tmp_path / "broken.pem"
    broken.write_text("SENTINEL")
    for cert, key, words in (
        (tmp_path / "none.pem", ours, "no such file"),
        (ours, certificate, "of another certificate"),
        (broken, broken, "no PEM"),
    ):
        with pytest.raises(ConfigError, match=f"`client_cert` .* {words}") as caught:
            open_client("https://api.invalid", client_cert=(str(cert), str(key)))
        assert_hides(caught.value)


def assert_hides(error):
    shown = "".join(traceback.format_exception(error))
    while error is not None:
        shown += repr(error)
        error = error.__context__
    assert "SENTINEL" not in shown
