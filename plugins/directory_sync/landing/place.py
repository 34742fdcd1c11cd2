"""The place of the landing zone: a folder, or a bucket with its credentials.

    (any type)              a path or file:// URL      this machine, or a disk that all workers mount
    aws                     s3://bucket/prefix         also other servers with S3's API, by `endpoint_url`
    google_cloud_platform   gs://bucket/prefix         mapped only
    wasb                    az://container/prefix      mapped only

The URL is in the extra as `bucket_url`, or in the host. The credentials are in the fields that Airflow's own
providers read. dlt, which writes to the bucket, and this package, which reads it, use the same credentials.
"""

import logging
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.util import find_spec
from typing import Any

import fsspec

from directory_sync.config.connections import LANDING_CONNECTION, ConnectionFields, refuse_unknown
from directory_sync.config.dlt_provider import own_dlt
from directory_sync.config.settings import SyncSettings
from directory_sync.errors import ConfigError, DirectorySyncError, SnapshotError, raise_alone

# If a bucket is busy for some seconds, the request is retried, not the whole task.
_RETRIES = {"retries": {"mode": "standard", "max_attempts": 4}}
_OF_AMAZON = {
    "aws_session_token", "bucket_url", "config_kwargs", "endpoint_url", "profile_name", "region_name",
    "service_config", "verify",
}  # fmt: skip
_OF_GOOGLE = {"bucket_url", "key_path", "keyfile_dict", "num_retries", "project"}
_OF_AZURE = {"account_name", "bucket_url", "sas_token", "tenant_id"}
_OUTCOME = "Nothing was requested."
_GOOGLE_KEY = ("project_id", "private_key_id", "private_key", "client_email", "token_uri")

_CREDENTIALS = (
    "aws_access_key_id", "aws_secret_access_key", "aws_session_token", "profile_name", "region_name",
    "endpoint_url", *_GOOGLE_KEY, "azure_storage_account_name", "azure_storage_account_key",
    "azure_storage_sas_token", "azure_account_host", "azure_tenant_id", "azure_client_id",
    "azure_client_secret",
)  # fmt: skip
LANDING_KEYS = (
    *(f"credentials.{name}" for name in _CREDENTIALS),
    "filesystem.kwargs",
    "filesystem.client_kwargs",
)
"""The keys that dlt looks up for a bucket, see `LandingPlace.answer`."""


@dataclass(frozen=True, kw_only=True)
class LandingPlace:
    """The root of the landing zone.

    Attributes:
        url: an absolute path, or a bucket's URL.
        credentials: the fields of dlt's credentials for the bucket.
        options: further fields of dlt's `FilesystemConfiguration`.
        conn_id: the connection that messages name.
    """

    url: str
    credentials: Mapping[str, Any] = field(default_factory=dict, repr=False)
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    conn_id: str = LANDING_CONNECTION

    def answer(self, key: str) -> Any:
        """Returns the value for one of LANDING_KEYS; None: there is none."""
        section, name = key.split(".")
        return (self.credentials if section == "credentials" else self.options).get(name)

    def open(self) -> tuple[Any, str]:
        """Opens the file system; creates nothing.

        Returns:
            The fsspec file system, and the path of the root in it. In a bucket the path has its protocol.

        Raises:
            ConfigError: the bucket does not exist or refuses access, or the package for it is not installed.
            SnapshotError: the bucket does not answer.
        """
        if "://" not in self.url or self.url.startswith("file://"):
            fs, path = fsspec.url_to_fs(self.url)
            return fs, path
        fs, path = self._bucket()
        failure: DirectorySyncError | None = None
        try:
            # By default, a write would create a bucket that does not exist.
            if not (fs.isdir(path) or fs.exists(path.split("/", 1)[0])):
                failure = ConfigError(
                    f"The bucket of the landing zone {self.url} does not exist. Nothing was read or "
                    f"published. Create it, or correct the connection `{self.conn_id}`."
                )
        except PermissionError as e:
            failure = ConfigError(
                f"The landing zone {self.url} refuses access ({type(e).__name__}). Nothing was read or "
                f"published. Check the credentials of the connection `{self.conn_id}` and their "
                "rights; see docs/landing.md."
            )
        except Exception as e:  # noqa: BLE001  each client has its own class for a lost connection
            failure = SnapshotError(
                f"The landing zone {self.url} cannot be reached ({type(e).__name__}). Nothing was read or "
                "published. Airflow tries again; if the error persists, check the connection "
                f"`{self.conn_id}`."
            ).marked(is_outage=True)
        if failure:
            raise_alone(failure)
        return fs, fs.unstrip_protocol(path)

    def _bucket(self) -> tuple[Any, str]:
        from dlt.common.configuration.exceptions import ConfigurationException
        from dlt.common.configuration.resolve import resolve_configuration
        from dlt.common.exceptions import MissingDependencyException
        from dlt.common.storages.configuration import FilesystemConfiguration
        from dlt.common.storages.fsspec_filesystem import fsspec_from_config

        for name in _CHATTERERS:
            # At DEBUG these packages log the bodies of requests, which contain entries.
            logging.getLogger(name).setLevel(logging.INFO)
        protocol = self.url.split("://", maxsplit=1)[0]
        if not find_spec(_PACKAGES[protocol]):
            raise ConfigError(
                f"The landing zone is in a bucket ({protocol}://), and the Python package for it is missing. "
                f"Nothing was read. Install {_PACKAGES[protocol]}; see docs/landing.md."
            )
        explicit = {"bucket_url": self.url, "credentials": dict(self.credentials), **self.options}
        try:
            with own_dlt():
                return fsspec_from_config(
                    resolve_configuration(FilesystemConfiguration(), explicit_value=explicit)
                )
        except (ConfigurationException, MissingDependencyException):
            # Not chained: dlt's message lists every place where it has looked.
            raise ConfigError(
                f"The connection `{self.conn_id}` has no credentials for {self.url}, and this worker "
                "has none of its own. Nothing was read. Add them; see docs/landing.md."
            ) from None


def landing_place(connection: ConnectionFields | None, settings: SyncSettings) -> LandingPlace:
    """Returns the root of the landing zone.

    Args:
        connection: the connection `directory_landing`; None: the root is `landing` in the settings' `home`.
        settings: the deployment's switches.

    Raises:
        ConfigError: the connection names no place, or its credentials are incomplete or not supported.
    """
    if connection is None:
        return LandingPlace(url=str(settings.home / "landing"))
    url = str(connection.extra.get("bucket_url") or connection.path).rstrip("/")
    if not url:
        raise _wrong(connection, "names no folder and no bucket; put one into its host or its `bucket_url`")
    protocol = url.split("://")[0] if "://" in url else "file"
    if protocol == "file":
        if not url.startswith(("/", "file:///")):
            raise _wrong(
                connection,
                f"names the folder {url!r}: an absolute path is needed, because workers have different "
                "current folders",
            )
        return LandingPlace(url=url, conn_id=connection.conn_id)
    if set("*?[") & set(url):
        raise _wrong(
            connection, f"names {url}: `*`, `?` and `[` would be read as patterns, also by deletions"
        )
    if protocol not in _KINDS:
        known = ", ".join(f"{name}://" for name in _KINDS)
        raise _wrong(connection, f"names a bucket of the kind {protocol}://; supported: {known}")
    conn_type, mapping = _KINDS[protocol]
    if connection.conn_type != conn_type:
        raise _wrong(
            connection,
            f"is of the type {connection.conn_type!r}; a bucket of the kind {protocol}:// needs one of the "
            f"type {conn_type!r}",
        )
    return replace(mapping(connection, url), conn_id=connection.conn_id)


def _amazon(connection: ConnectionFields, url: str) -> LandingPlace:
    """Maps an `aws` connection. Login and password are the access key; without them, the worker's identity.

    https://airflow.apache.org/docs/apache-airflow-providers-amazon/stable/connections/aws.html
    """
    extra = connection.said
    if "role_arn" in extra:
        raise _wrong(
            connection,
            "has a `role_arn`, which is not supported; let a profile of the worker's AWS configuration "
            "assume the role, and name the profile as `profile_name`",
        )
    refuse_unknown(connection, _OF_AMAZON, outcome=_OUTCOME)
    if bool(connection.login) != bool(connection.password):
        raise _wrong(connection, "has only one of login (access key id) and password (secret access key)")
    of_s3 = (extra.get("service_config") or {}).get("s3") or {}
    # From `extra`: `said` drops False, which turns verification off here.
    verify = connection.extra.get("verify")
    return LandingPlace(
        url=url,
        credentials=_given(
            aws_access_key_id=connection.login,
            aws_secret_access_key=connection.password,
            aws_session_token=extra.get("aws_session_token"),
            profile_name=extra.get("profile_name"),
            region_name=extra.get("region_name"),
            endpoint_url=of_s3.get("endpoint_url") or extra.get("endpoint_url"),
        ),
        options={
            # Without a read-ahead cache only the requested bytes are fetched: the audit reads a few small
            # columns of large files. dlt 1.31 ignores its own `config_kwargs`, so they are passed here.
            "kwargs": {
                "default_cache_type": "none",
                # A copy: botocore writes into it.
                "config_kwargs": {**deepcopy(_RETRIES), **(extra.get("config_kwargs") or {})},
            },
            **({"client_kwargs": {"verify": verify}} if verify is not None else {}),
        },
    )


def _google(connection: ConnectionFields, url: str) -> LandingPlace:
    """Maps a `google_cloud_platform` connection: a service account's key, or else the worker's identity.

    https://airflow.apache.org/docs/apache-airflow-providers-google/stable/connections/gcp.html
    """
    from directory_sync.config.google_key import service_account

    refuse_unknown(connection, _OF_GOOGLE, outcome=_OUTCOME)
    extra = connection.said
    key = service_account(extra, refusal=partial(_wrong, connection)) or {}
    fields = {name: key.get(name) for name in _GOOGLE_KEY}
    return LandingPlace(
        url=url, credentials=_given(**fields | {"project_id": extra.get("project") or key.get("project_id")})
    )


def _azure(connection: ConnectionFields, url: str) -> LandingPlace:
    """Maps a `wasb` connection: a storage account with its key or a SAS token, or a service principal.

    https://airflow.apache.org/docs/apache-airflow-providers-microsoft-azure/stable/connections/wasb.html
    """
    refuse_unknown(connection, _OF_AZURE, outcome=_OUTCOME)
    extra = connection.said
    # The host is the account's URL, unless it is the container's.
    host = "" if connection.host.startswith(url) else connection.host.split("://")[-1].strip("/")
    tenant = extra.get("tenant_id")
    account = extra.get("account_name") or host.split(".")[0] or ("" if tenant else connection.login)
    if not account:
        raise _wrong(
            connection, "names no storage account; put it into the login, or the account's URL into the host"
        )
    who = (
        {
            "azure_tenant_id": tenant,
            "azure_client_id": connection.login,
            "azure_client_secret": connection.password,
        }
        if tenant
        else {
            "azure_storage_account_key": connection.password,
            "azure_storage_sas_token": extra.get("sas_token"),
        }
    )
    return LandingPlace(
        url=url,
        credentials=_given(
            azure_storage_account_name=account, azure_account_host=host if "." in host else "", **who
        ),
    )


_KINDS: dict[str, tuple[str, Callable[[ConnectionFields, str], LandingPlace]]] = {
    "s3": ("aws", _amazon),
    "gs": ("google_cloud_platform", _google),
    "az": ("wasb", _azure),
    "abfss": ("wasb", _azure),
}
"""For each kind of bucket: the type of the connection, and the function that maps it."""
_CHATTERERS = ("botocore", "aiobotocore", "s3fs", "gcsfs", "adlfs", "azure")
_PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "az": "adlfs", "abfss": "adlfs"}


def _given(**values: Any) -> dict[str, Any]:
    """Returns the values that are not empty."""
    return {name: value for name, value in values.items() if value}


def _wrong(connection: ConnectionFields, why: str) -> ConfigError:
    return ConfigError(f"The connection `{connection.conn_id}` {why}. Nothing was read.")
