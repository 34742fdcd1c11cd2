"""Signs the JWT assertions of OAuth2 (RFC 7523): who the client is, or on whose behalf it asks.

An exception of the libraries may hold the key, so none of them is chained to ours.
"""

import base64
import time
import uuid
from collections.abc import Callable
from functools import cached_property
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from directory_sync.config.access import ApiSettings
from directory_sync.config.private_key import private_key
from directory_sync.errors import ConfigError

VALID_SECONDS = 300
"""How long an assertion is valid. Servers allow an hour at most; each request gets a new one."""
_OF_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512", "secp256k1": "ES256K"}
_FAULTS = (jwt.PyJWTError, ValueError, TypeError, AttributeError, KeyError, NotImplementedError)


class Assertions:
    """Signs assertions with the connection's private key, or with its client secret.

    Args:
        api: the login, the password, and what an assertion holds.
        mask: registers a text with the log masker before its first use.
        now: returns the time in seconds since 1970.
    """

    def __init__(
        self, api: ApiSettings, *, mask: Callable[[str], None], now: Callable[[], float] = time.time
    ) -> None:
        """Registers the key with the log masker; does not read it yet."""
        self._api, self._mask, self._now = api, mask, now
        self._given = private_key(api.client_secret)
        for secret in (*self._given.secrets, api.tokens.passphrase):
            if secret:
                mask(secret)

    def of_client(self) -> str:
        """Returns an assertion that says who the client is (section 2.2).

        Raises:
            ConfigError: the password is no key, or does not fit the algorithm.
        """
        return self._signed({"sub": self._api.client_id})

    def of_grant(self) -> str:
        """Returns an assertion that asks for a token on behalf of the subject (section 2.1).

        Raises:
            ConfigError: see `of_client`.
        """
        scope = {"scope": self._api.scope} if self._api.scope else {}
        return self._signed({"sub": self._api.tokens.subject or self._api.client_id, **scope})

    def _signed(self, claims: dict[str, Any]) -> str:
        tokens, now = self._api.tokens, int(self._now())
        usual = {
            "iss": self._api.client_id,
            "aud": self._api.absolute_token_url,
            "iat": now,
            "exp": now + VALID_SECONDS,
            "jti": str(uuid.uuid4()),
        }
        payload = {k: v for k, v in {**usual, **claims, **tokens.jwt_claims}.items() if v is not None}
        headers = {**self._thumbprints, **tokens.jwt_headers}
        key, usual_algorithm = self._key
        algorithm, signed, reason = tokens.algorithm or usual_algorithm, "", "not a signature"
        try:
            # PyJWT knows an algorithm `none`, which signs nothing.
            if algorithm.lower() != "none":
                signed = jwt.encode(payload, key, algorithm=algorithm, headers=headers)
        except _FAULTS as e:
            reason = type(e).__name__
        if not signed:
            raise self._error(
                f"cannot sign by {algorithm or 'no algorithm'}", "`jwt_algorithm`", reason=reason
            )
        self._mask(signed)
        return signed

    @cached_property
    def _key(self) -> tuple[Any, str]:
        """The key, and the algorithm that is usual for it."""
        if not self._api.signs_with_private_key:
            return self._api.client_secret, "HS256"
        reason = "no PEM and no JWK"
        try:
            if self._given.jwk:
                found = jwt.PyJWK(dict(self._given.jwk), algorithm=self._api.tokens.algorithm or None)
                if hasattr(found.key, "sign"):
                    return found.key, found.algorithm_name
                reason = "a public key"
            elif self._given.pem:
                passphrase = self._api.tokens.passphrase.encode() or None
                key = load_pem_private_key(self._given.pem.encode(), passphrase)
                return key, _algorithm_of(key)
        except _FAULTS as e:
            reason = type(e).__name__
        raise self._error(
            "holds no private key that can be read", "the key, and `private_key_passphrase`", reason=reason
        )

    @cached_property
    def _thumbprints(self) -> dict[str, str]:
        """The headers that name the certificate beside the key; empty: there is none."""
        if not self._given.certificate:
            return {}
        try:
            certificate = x509.load_pem_x509_certificate(self._given.certificate.encode())
        except ValueError:
            certificate = None
        if certificate is None:
            raise self._error("holds a certificate that cannot be read", "it", reason="ValueError")
        digests = {"x5t": SHA1(), "x5t#S256": SHA256()}  # noqa: S303  RFC 7515, section 4.1.7
        return {
            name: base64.urlsafe_b64encode(certificate.fingerprint(digest)).rstrip(b"=").decode()
            for name, digest in digests.items()
        }

    def _error(self, what: str, check: str, *, reason: str) -> ConfigError:
        return ConfigError(
            f"The password of connection `{self._api.conn_id}` {what} ({reason}). Nothing was requested. "
            f"Check {check}: the password is the whole text from `-----BEGIN` to `-----END ...-----`, a JWK, "
            "or the JSON file of a service account."
        )


def _algorithm_of(key: Any) -> str:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return _OF_CURVES.get(key.curve.name, "")
    return "EdDSA" if isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey) else "RS256"
