"""The private key that a connection's password holds: PEM, a JWK, or a service account's JSON file."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)
_LINE = 64
SECRET_PARTS = ("d", "p", "q", "dp", "dq", "qi", "k", "private_key")


@dataclass(frozen=True, kw_only=True)
class PrivateKey:
    """A private key as it was given; nothing of it is verified.

    Attributes:
        pem: the key in PEM; empty: it is a JWK or a secret that is no PEM.
        jwk: the key as a JWK (RFC 7517); empty: it is none.
        certificate: the certificate that stands beside the key, in PEM; empty: there is none.
        key_id: the key's id; empty: it is not given.
        login: who the key belongs to; empty: it is not given.
        token_url: where its owner requests tokens; empty: it is not given.
        secrets: the texts to mask besides the password itself.
    """

    pem: str = field(default="", repr=False)
    jwk: Mapping[str, Any] = field(default_factory=dict, repr=False)
    certificate: str = ""
    key_id: str = ""
    login: str = ""
    token_url: str = ""
    secrets: tuple[str, ...] = field(default=(), repr=False)


def private_key(password: str) -> PrivateKey:
    """Reads the password of a connection whose type needs a private key.

    A form's password field drops the line ends of a PEM; they are put back.

    Args:
        password: a PEM, with a certificate after it or not; a JWK; or a service account's JSON file.
    """
    given: Any = None
    if password.lstrip().startswith("{"):
        try:
            given = json.loads(password)
        except ValueError:
            given = None
    if not isinstance(given, dict):
        return _from_pem(password)
    secrets = tuple(str(given[name]) for name in SECRET_PARTS if given.get(name))
    if "kty" in given:
        return PrivateKey(jwk=given, key_id=str(given.get("kid") or ""), secrets=secrets)
    found = _from_pem(str(given.get("private_key") or ""))
    return PrivateKey(
        pem=found.pem,
        key_id=str(given.get("private_key_id") or ""),
        login=str(given.get("client_email") or ""),
        token_url=str(given.get("token_uri") or ""),
        secrets=(*secrets, *found.secrets),
    )


def _from_pem(text: str) -> PrivateKey:
    keys: list[tuple[str, list[str]]] = []
    certificates: list[tuple[str, list[str]]] = []
    for label, body in _BLOCK.findall(text.replace("\\n", "\n").replace("\\r", "")):
        head, _, packed = body.rpartition("\n\n") if "Proc-Type" in body else ("", "", body)
        packed = re.sub(r"\s", "", packed)
        lines = [packed[at : at + _LINE] for at in range(0, len(packed), _LINE)]
        block = "\n".join(
            [
                f"-----BEGIN {label}-----",
                *([head.strip(), ""] if head else []),
                *lines,
                f"-----END {label}-----",
                "",
            ]
        )
        (certificates if label == "CERTIFICATE" else keys).append((block, [packed, *lines]))
    return PrivateKey(
        pem=keys[0][0] if keys else "",
        certificate=certificates[0][0] if certificates else "",
        secrets=tuple(line for block, lines in keys for line in (block, *lines)),
    )
