"""OAuth2 as the world has it: grants, client authentications, bodies and answers."""

import base64
import json
import logging
import time
import traceback
import uuid
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import jwt
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from directory_sync.api.client import DirectoryClient
from directory_sync.api.oauth import TokenSource
from directory_sync.config.access import ApiSettings
from directory_sync.config.connections import ConnectionFields
from directory_sync.config.form import Resource
from directory_sync.config.paging import OffsetPages
from directory_sync.config.token_options import JWT_BEARER
from directory_sync.errors import AuthError, ConfigError
from tests.wire import WireServer, http

SECRET = "SENTINEL-SECRET-of-more-than-thirty-two-letters"
TOKEN_URL = "https://api.example.org/oauth/token"


def answer(body, status=200):
    response = requests.Response()
    response.status_code = status
    response._content = json.dumps(body).encode()
    return response


class TokenServer:
    """Answers token requests in the order of its script; the last answer stays."""

    def __init__(self, *script) -> None:
        self.script = list(script) or [answer({"access_token": "token-1", "expires_in": 3600})]
        self.sent: list[requests.PreparedRequest] = []
        self.masked: list[str] = []

    def send(self, request, where):
        self.sent.append(request.prepare())
        return self.script.pop(0) if len(self.script) > 1 else self.script[0]

    def source(self, form=None, *, login="client-1", password=SECRET, **extra):
        connection = ConnectionFields(
            conn_id="directory_api",
            conn_type="directory_api",
            host="https://api.example.org",
            login=login,
            password=password,
            extra=extra,
        )
        api = ApiSettings.from_connection(connection, client={"auth": form})
        return TokenSource(api, send=self.send, mask=self.masked.append)

    def fields(self, form=None, **extra) -> dict:
        """What a token request of this connection holds."""
        self.source(form, **extra).token()
        body = self.sent[-1].body
        if self.sent[-1].headers["Content-Type"] == "application/json":
            return json.loads(body)
        return {name: values[0] for name, values in parse_qs(body).items()}


POSTED = {"client_id": "client-1", "client_secret": SECRET}
GRANTED = {"grant_type": "client_credentials"}
WRITTEN = {
    "audience": ({"token_params": {"audience": "https://a"}}, {**GRANTED, **POSTED, "audience": "https://a"}),
    "parameters as a text": ({"token_params": '{"resource": "r"}'}, {**GRANTED, **POSTED, "resource": "r"}),
    "JSON": ({"token_body": "json", "token_params": {"n": 1}}, {**GRANTED, **POSTED, "n": 1}),
    "a grant of the vendor's": (
        {"grant_type": "account_credentials", "token_params": {"account_id": "a"}},
        {"grant_type": "account_credentials", **POSTED, "account_id": "a"},
    ),
    "Airflow's": (
        {
            "token_body": "json",
            "credential_fields": "username, password",
            "token_params": {"grant_type": None},
        },
        {"username": "client-1", "password": SECRET},
    ),
    "the resource owner's password": (
        {
            "credential_fields": ["username", "password"],
            "token_params": {"grant_type": "password", "client_id": "cli"},
        },
        {"grant_type": "password", "username": "client-1", "password": SECRET, "client_id": "cli"},
    ),
    "refresh token": (
        {"grant_type": "refresh_token", "refresh_token": "SENTINEL-R"},
        {"grant_type": "refresh_token", "refresh_token": "SENTINEL-R", **POSTED},
    ),
    "refresh token of a public client": (
        {"grant_type": "refresh_token", "auth_method": "none"},
        {"grant_type": "refresh_token", "refresh_token": SECRET, "client_id": "client-1"},
    ),
    "by certificate": ({"auth_method": "tls_client_auth"}, {**GRANTED, "client_id": "client-1"}),
}


@pytest.mark.parametrize(("extra", "fields"), WRITTEN.values(), ids=WRITTEN)
def test_a_token_request_holds_what_the_connection_says_and_nothing_else(extra, fields):
    server = TokenServer()
    assert server.fields(**extra) == fields
    assert {value for value in fields.values() if "SENTINEL" in str(value)} <= set(server.masked)


def test_airflow_itself_takes_what_is_sent_to_its_token_url():
    from airflow.api_fastapi.auth.managers.simple.datamodels.login import LoginBody

    extra, _ = WRITTEN["Airflow's"]
    body = LoginBody.model_validate(TokenServer().fields(**extra))
    assert (body.username, body.password) == ("client-1", SECRET)


def test_the_forms_request_data_goes_along_as_in_dlt():
    form = {"type": "oauth2", "access_token_request_data": {"grant_type": "account_credentials", "n": True}}
    assert TokenServer().fields(form) == {"grant_type": "account_credentials", **POSTED, "n": "true"}


@pytest.mark.parametrize(
    ("body", "status", "extra"),
    [
        ({"access_token": "t"}, 201, {}),
        ({"data": {"token": "t"}}, 200, {"token_path": "$.data.token"}),
        ({"data": [{"token": "t"}]}, 200, {"token_path": "data[0].token"}),
        ({"access_token": "t", "token_type": "BearerToken"}, 200, {}),
        ({"access_token": "t", "token_type": "bot"}, 200, {}),
    ],
)
def test_a_token_is_found_in_the_answers_that_apis_give(body, status, extra):
    assert TokenServer(answer(body, status)).source(**extra).token() == "t"


def test_the_lifetime_beside_a_token_within_the_answer_counts():
    body = {"data": {"token": "t", "expires_in": "100"}}
    source = TokenServer(answer(body)).source(token_path="$.data.token")
    source.token()
    assert source._renew_at - source._fetched_at == 80


def test_the_forms_lifetime_counts_where_the_answer_says_none():
    source = TokenServer(answer({"access_token": "t"})).source(
        {"type": "oauth2", "default_token_expiration": 600}
    )
    source.token()
    assert source._renew_at - source._fetched_at == 570


def test_a_path_that_leads_nowhere_is_named():
    with pytest.raises(AuthError, match=r"no usable `\$\.data\.token`.*`token_path`"):
        TokenServer(answer({"data": "SENTINEL"})).source(token_path="$.data.token").token()


def test_a_path_that_is_none_is_a_config_error():
    with pytest.raises(ConfigError, match=r"`token_path` .* no JSONPath") as caught:
        TokenServer().source(token_path="$[").token()
    assert_hides(caught.value)


@pytest.mark.parametrize("token_type", ["DPoP", "mac"])
def test_a_token_that_must_be_proven_is_refused(token_type):
    body = {"access_token": "SENTINEL-TOKEN", "token_type": token_type}
    with pytest.raises(AuthError, match=f"type {token_type.lower()}"):
        TokenServer(answer(body)).source().token()


REFUSED = {
    "client": ({}, "invalid_client", r"400 \(invalid_client\): the client id, the client secret or the"),
    "key": ({"auth_method": "client_secret_jwt"}, "invalid_client", "`auth_method` .client_secret_jwt."),
    "scope": ({"scope": "x"}, "invalid_scope", r"\(invalid_scope\): `scope` of the connection"),
    "grant": ({"grant_type": "own"}, "unsupported_grant_type", "`grant_type` of the connection, own"),
    "client's grant": ({}, "unauthorized_client", "allow this client the grant client_credentials"),
    "target": ({}, "invalid_target", "`audience` or `resource`"),
    "proof": ({}, "use_dpop_nonce", "DPoP"),
    "old": (
        {"grant_type": "refresh_token", "refresh_token": "SENTINEL-R"},
        "invalid_grant",
        "refresh token of the connection has expired",
    ),
}


@pytest.mark.parametrize(("extra", "code", "words"), REFUSED.values(), ids=REFUSED)
def test_the_code_of_a_refusal_is_told_and_never_its_description(extra, code, words):
    body = {"error": code, "error_description": f"SENTINEL {SECRET}"}
    with pytest.raises(AuthError, match=words) as caught:
        TokenServer(answer(body, 400)).source(**extra).token()
    assert_hides(caught.value)


@pytest.mark.parametrize(
    "code", ["SENTINEL", "sentinel", "sentinel-value", "a b", "sentinel_" * 9, {"a": 1}, None, "x_\n"]
)
def test_another_text_in_the_place_of_a_code_is_not_shown(code):
    with pytest.raises(AuthError, match=r"answered 401: the client id") as caught:
        TokenServer(answer({"error": code}, 401)).source().token()
    assert_hides(caught.value)
    assert "sentinel" not in str(caught.value)


def test_a_code_under_200_is_told():
    with pytest.raises(AuthError, match="error code is bad_verification_code"):
        TokenServer(answer({"error": "bad_verification_code"})).source().token()


def test_a_refresh_token_that_rotates_is_kept_by_the_process_and_told_once(caplog):
    caplog.set_level(logging.WARNING)
    server = TokenServer(
        answer({"access_token": "t1", "refresh_token": "SENTINEL+R2"}),
        answer({"access_token": "t2", "refresh_token": "SENTINEL+R2"}),
    )
    source = server.source(grant_type="refresh_token", refresh_token="SENTINEL+R1")
    source.renew(source.token())
    assert [parse_qs(sent.body)["refresh_token"] for sent in server.sent] == [
        ["SENTINEL+R1"],
        ["SENTINEL+R2"],
    ]
    assert {"SENTINEL+R1", "SENTINEL+R2"} <= set(server.masked)
    assert len(caplog.records) == 1
    assert "SENTINEL" not in caplog.text


# -- Assertions


def pem(key, passphrase=None) -> str:
    how = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how).decode()


RSA = rsa.generate_private_key(65537, 2048)
P256, P384 = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP384R1())
ED = ed25519.Ed25519PrivateKey.generate()
RSA_PEM = pem(RSA)
JWK = json.dumps({**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(RSA)), "kid": "key-7"})
SERVICE_ACCOUNT = json.dumps(
    {
        "type": "service_account",
        "client_email": "sync@example.org",
        "private_key": RSA_PEM,
        "private_key_id": "key-9",
        "token_uri": "https://login.example.org/token",
    }
)
FORMS = {
    "PEM": RSA_PEM,
    "PEM on one line": RSA_PEM.replace("\n", ""),
    "PEM with spaces for line ends": RSA_PEM.replace("\n", " "),
    "PEM with written line ends": RSA_PEM.replace("\n", "\\n"),
    "PEM of PKCS 1": RSA.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    ).decode(),
    "JWK": JWK,
    "service account": SERVICE_ACCOUNT,
}


def claims_of(assertion, key=RSA, algorithm="RS256", audience=TOKEN_URL):
    return jwt.decode(assertion, key.public_key(), algorithms=[algorithm], audience=audience)


@pytest.mark.parametrize("password", FORMS.values(), ids=FORMS)
def test_a_private_key_signs_in_whatever_form_it_was_pasted(password):
    server = TokenServer()
    extra = {"auth_method": "private_key_jwt", "token_url": "/oauth/token"}
    fields = server.fields(password=password, **extra)
    claims = claims_of(fields["client_assertion"])
    assert fields | GRANTED == fields
    assert fields["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    assert "client_secret" not in fields
    assert (claims["iss"], claims["sub"]) == ("client-1", "client-1")
    assert 0 < claims["exp"] - time.time() <= 300
    assert fields["client_assertion"] in server.masked


@pytest.mark.parametrize(
    ("key", "algorithm", "extra"),
    [
        (P256, "ES256", {}),
        (P384, "ES384", {}),
        (ED, "EdDSA", {}),
        (RSA, "PS256", {"jwt_algorithm": "PS256"}),
        (RSA, "RS512", {"jwt_algorithm": "RS512"}),
    ],
)
def test_an_assertion_is_signed_as_the_key_or_the_connection_says(key, algorithm, extra):
    fields = TokenServer().fields(password=pem(key), auth_method="private_key_jwt", **extra)
    assert claims_of(fields["client_assertion"], key, algorithm)["sub"] == "client-1"


def test_a_secret_signs_too_and_is_not_sent():
    fields = TokenServer().fields(auth_method="client_secret_jwt")
    claims = jwt.decode(fields["client_assertion"], SECRET, algorithms=["HS256"], audience=TOKEN_URL)
    assert claims["iss"] == "client-1"
    assert SECRET not in fields.values()


def test_an_encrypted_key_is_opened_by_its_passphrase():
    password = pem(RSA, b"SENTINEL-PASS")
    server = TokenServer()
    extra = {"auth_method": "private_key_jwt", "private_key_passphrase": "SENTINEL-PASS"}
    assert claims_of(server.fields(password=password, **extra)["client_assertion"])
    assert "SENTINEL-PASS" in server.masked


def test_a_grant_on_behalf_of_a_subject_is_asked_for_by_an_assertion_alone():
    server = TokenServer()
    extra = {"grant_type": "jwt-bearer", "subject": "directory@example.org", "scope": "read"}
    fields = server.fields(login="", password=SERVICE_ACCOUNT, **extra)
    assertion = fields.pop("assertion")
    claims = claims_of(assertion, audience="https://login.example.org/token")
    assert server.sent[0].url == "https://login.example.org/token"
    assert fields == {"grant_type": JWT_BEARER, "scope": "read"}
    assert (claims["iss"], claims["sub"], claims["scope"]) == (
        "sync@example.org",
        "directory@example.org",
        "read",
    )
    assert jwt.get_unverified_header(assertion)["kid"] == "key-9"


def test_headers_and_claims_of_the_connection_go_before_the_usual_ones():
    fields = TokenServer().fields(
        password=JWK,
        auth_method="private_key_jwt",
        jwt_headers={"kid": "key-8"},
        jwt_claims={"aud": "https://other", "jti": None, "box": 1},
    )
    claims = claims_of(fields["client_assertion"], audience="https://other")
    assert jwt.get_unverified_header(fields["client_assertion"])["kid"] == "key-8"
    assert ("jti" in claims, claims["box"]) == (False, 1)


def test_a_certificate_beside_the_key_is_named_in_the_assertion():
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sync")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(RSA.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(RSA, hashes.SHA256())
    )
    both = RSA_PEM + certificate.public_bytes(serialization.Encoding.PEM).decode()
    fields = TokenServer().fields(
        password=both.replace("\n", " "), auth_method="private_key_jwt", jwt_algorithm="PS256"
    )
    header = jwt.get_unverified_header(fields["client_assertion"])
    expected = base64.urlsafe_b64encode(certificate.fingerprint(hashes.SHA256())).decode().rstrip("=")
    assert (header["alg"], header["x5t#S256"]) == ("PS256", expected)
    assert "x5t" in header


UNUSABLE = {
    "no key": ("SENTINEL", {}),
    "broken PEM": ("-----BEGIN PRIVATE KEY-----\nSENTINEL+\n-----END PRIVATE KEY-----", {}),
    "broken JSON": ('{"private_key": "SENTINEL"', {}),
    "JSON without a key": ('{"private_key": "SENTINEL"}', {}),
    "public JWK": (json.dumps({"kty": "oct", "k": "SENTINEL"}), {}),
    "broken JWK": (json.dumps({"kty": "RSA", "n": "SENTINEL", "d": "SENTINEL"}), {}),
    "encrypted": (pem(RSA, b"pass"), {}),
    "wrong passphrase": (pem(RSA, b"pass"), {"private_key_passphrase": "SENTINEL"}),
    "algorithm of another key": (RSA_PEM, {"jwt_algorithm": "ES256"}),
    "no such algorithm": (RSA_PEM, {"jwt_algorithm": "RS1"}),
    "no signature": (RSA_PEM, {"jwt_algorithm": "none"}),
    "broken certificate": (
        f"{RSA_PEM}-----BEGIN CERTIFICATE-----\nSENTINEL\n-----END CERTIFICATE-----",
        {},
    ),
}


@pytest.mark.parametrize(("password", "extra"), UNUSABLE.values(), ids=UNUSABLE)
def test_a_key_that_cannot_sign_is_a_config_error_before_anything_is_sent(password, extra):
    server = TokenServer()
    with pytest.raises(ConfigError, match="The password of connection `directory_api`") as caught:
        server.source(password=password, auth_method="private_key_jwt", **extra).token()
    assert server.sent == []
    assert_hides(caught.value)
    lines = [line for line in RSA_PEM.splitlines() if "-----" not in line]
    assert not any(line in "".join(traceback.format_exception(caught.value)) for line in lines)


def test_each_line_of_a_key_is_masked():
    server = TokenServer()
    server.source(password=RSA_PEM, auth_method="private_key_jwt").token()
    lines = {line for line in RSA_PEM.splitlines() if "-----" not in line}
    assert lines <= set(server.masked)
    server.source(password=JWK, auth_method="private_key_jwt").token()
    assert {json.loads(JWK)[name] for name in ("d", "p", "q", "dp", "dq", "qi")} <= set(server.masked)


class StrictServer(WireServer):
    """A token server that accepts an assertion once, and fails the first time."""

    used: list[str]

    def _answer(self, connection):
        with connection:
            received = b""
            while b"client_assertion=" not in received and b"Bearer" not in received:
                received += connection.recv(65536)
            connection.sendall(self.judged(received))

    def judged(self, received):
        if b"Bearer" in received:
            return http([{"id": 1}])
        fields = parse_qs(received.partition(b"\r\n\r\n")[2].decode())
        claims = claims_of(fields["client_assertion"][0], audience=f"{self.url}/oauth/token")
        uuid.UUID(claims["jti"])
        is_new = claims["jti"] not in self.used
        self.used.append(claims["jti"])
        if len(self.used) == 1:
            return http({}, status="503 Service Unavailable")
        granted = {"access_token": "t"} if is_new else {"error": "invalid_client"}
        return http(granted, status="200 OK" if is_new else "401 Unauthorized")


def test_a_token_request_that_is_sent_again_has_an_assertion_of_its_own():
    with StrictServer() as server:
        server.used = []
        api = ApiSettings(
            base_url=server.url, client_id="client-1", client_secret=RSA_PEM, auth_method="private_key_jwt"
        )
        resource = Resource(name="things", path="/things", selector=(), pages=OffsetPages())
        client = DirectoryClient(api, resource, sleep=lambda _: None)
        assert len(client.page(0).entries) == 1
        client.close()
        assert len(set(server.used)) == 2


def assert_hides(error):
    shown = "".join(traceback.format_exception(error))
    while error is not None:
        shown += repr(error)
        error = error.__context__
    assert "SENTINEL" not in shown
