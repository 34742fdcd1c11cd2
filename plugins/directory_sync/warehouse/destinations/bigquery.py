"""BigQuery: mapped from a Google Cloud connection in the form of Airflow's own provider."""

import json
from typing import TYPE_CHECKING, Any

import dlt

from directory_sync.config.google_key import service_account
from directory_sync.warehouse.destinations.mapped import MappedWarehouse

if TYPE_CHECKING:
    from dlt.common.configuration.specs import GcpServiceAccountCredentials

KNOWN = ("key_path", "keyfile_dict", "location", "num_retries", "project")
"""The supported keys of the extra. `num_retries`, which Airflow's form sets, has no effect: dlt retries."""


class BigQuery(MappedWarehouse):
    """A BigQuery project. The extra has project, location and a service account's key.

    Without a key, the machine's own account is used (Application Default Credentials).
    """

    conn_type = "google_cloud_platform"
    client_module, extra_of_dlt = "google.cloud.bigquery", "bigquery"
    # dlt refuses to load `json` columns from Parquet.
    file_format = "jsonl"
    # With deletes and inserts, readers would see the deletes before the inserts.
    merge_strategy = "upsert"
    # dlt begins no transaction for a merge with a word that looks like DDL, such as `created_at`.
    is_transactional = False
    # https://cloud.google.com/bigquery/quotas#table_limits
    max_columns = 10_000

    @property
    def address(self) -> tuple[str, str]:
        """BigQuery, and the project."""
        return "bigquery", str(self.credentials.project_id or "")

    def destination(self) -> Any:
        """Returns dlt's destination."""
        extra = self.known_extra(KNOWN)
        if "location" not in extra:
            raise self._refusal(
                f"`location` in the extra of {self._where} is empty; without it, dlt would create the tables "
                "in the US"
            )
        credentials = self.credentials
        if not credentials.private_key:
            # Looks for the machine's account with Google's libraries, as dlt does later.
            credentials.on_partial()
            if not credentials.has_default_credentials():
                raise self._refusal(
                    f"{self._where.capitalize()} has neither `key_path` nor `keyfile_dict`, and this machine "
                    "has no account of its own (Application Default Credentials)"
                )
        return dlt.destinations.bigquery(
            credentials, location=extra["location"], project_id=extra.get("project")
        )

    @property
    def credentials(self) -> "GcpServiceAccountCredentials":
        """The credentials of the service account; without a key, dlt looks for the machine's account."""
        from dlt.common.configuration.specs import GcpServiceAccountCredentials

        extra = self.known_extra(KNOWN)
        credentials = GcpServiceAccountCredentials()
        key = service_account(extra, refusal=lambda what: self._refusal(f"{self._where.capitalize()} {what}"))
        if key:
            credentials.parse_native_representation(json.dumps(key))
        if "project" in extra:
            credentials.project_id = extra["project"]
        return credentials
