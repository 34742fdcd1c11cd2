"""The file .env: made from .env.example, every empty secret filled in, nothing that has a value touched."""

import base64
import json
import os
import re
import secrets
from pathlib import Path

CONNECTION = "AIRFLOW_CONN_DIRECTORY_API"
SECRETS = (
    "ADMIN_PASSWORD",
    "FERNET_KEY",
    "JWT_SECRET",
    "API_SECRET_KEY",
    "POSTGRES_PASSWORD",
    "AIRFLOW_DB_PASSWORD",
    "WAREHOUSE_PASSWORD",
    "REDIS_PASSWORD",
    "SANDBOX_CLIENT_SECRET",
)
_ASSIGNMENT = re.compile(r"^\s*(?:export\s+)?(\w+)\s*=[ \t]*(.*?)\s*$")
# The Fernet key is 32 bytes in URL-safe base64, its final = included.
_SAFE = re.compile(r"[A-Za-z0-9_-]+=*")


class EnvironmentFileError(Exception):
    """A value in .env cannot be used."""


def complete(path: Path, example: Path) -> list[str]:
    """Makes the file, or fills in what is empty or absent in it.

    The connection is filled in only together with the sandbox's secret, when the stack is first made: who
    takes it out later keeps it in Airflow's database.

    Args:
        path: the file, `.env`; readable by its owner alone afterwards.
        example: what it is made from, where there is none.

    Returns:
        The names that were filled in.

    Raises:
        EnvironmentFileError: a secret that is there would break the addresses it becomes part of.
    """
    text = path.read_text() if path.exists() else example.read_text()
    values = read(text)
    for name in SECRETS:
        if values.get(name) and not _SAFE.fullmatch(values[name]):
            raise EnvironmentFileError(
                f"{name} in {path.name} may hold letters, digits, - and _ alone. Nothing was started."
            )
    filled = {name: _new(name) for name in SECRETS if not values.get(name)}
    if "SANDBOX_CLIENT_SECRET" in filled and not values.get(CONNECTION):
        filled[CONNECTION] = f"'{_sandbox_connection(filled['SANDBOX_CLIENT_SECRET'])}'"
    if filled:
        _write(path, _with(text, filled))
    path.chmod(0o600)
    return list(filled)


def read(text: str) -> dict[str, str]:
    """Returns the values of a file's lines, without the quotes around them."""
    found = (_ASSIGNMENT.match(line) for line in text.splitlines())
    return {match[1]: _unquoted(match[2]) for match in found if match}


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return value


def _new(name: str) -> str:
    if name == "FERNET_KEY":
        return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    return secrets.token_urlsafe(16 if name == "ADMIN_PASSWORD" else 32)


def _sandbox_connection(secret: str) -> str:
    return json.dumps(
        {
            "conn_type": "directory_api",
            "host": "http://sandbox:8099",
            "login": "sandbox-client",
            "password": secret,
        }
    )


def _with(text: str, filled: dict[str, str]) -> str:
    """The text with these values: in their lines where there are such, else at the end."""
    lines, left = [], dict(filled)
    for line in text.splitlines():
        match = _ASSIGNMENT.match(line)
        name = match[1] if match else ""
        lines.append(f"{name}={left.pop(name)}" if name in left else line)
    lines += [f"{name}={value}" for name, value in left.items()]
    return "\n".join(lines) + "\n"


def _write(path: Path, text: str) -> None:
    """Replaces the file in one step; nobody else may read it at any time."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    new.replace(path)
