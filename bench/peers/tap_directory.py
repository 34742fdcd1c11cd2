"""The seed's configuration as a tap of Singer's SDK, with the SDK's own defaults.

It runs in the environment of the peer.
"""

from collections.abc import Mapping
from typing import Any

import requests
from singer_sdk import RESTStream, Stream, Tap
from singer_sdk import typing as th
from singer_sdk.authenticators import OAuthAuthenticator
from singer_sdk.pagination import OffsetPaginator

LIMIT = 100


class ClientCredentials(OAuthAuthenticator):
    """Signs in with the client's id and secret."""

    @property
    def oauth_request_body(self) -> dict[str, Any]:
        """What the token is asked for with."""
        return {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
        }


class Pages(OffsetPaginator):
    """Ends with the first page that is not full."""

    def has_more(self, response: requests.Response) -> bool:
        """Tells whether another page is asked for."""
        return len(response.json()["data"]) == LIMIT


class DirectoryStream(RESTStream[int]):
    """The whole list."""

    name = "directory_resource"
    path = "/v1/directory"
    primary_keys = ("id",)
    records_jsonpath = "$.data[*]"
    schema = th.PropertiesList(
        th.Property("id", th.IntegerType, required=True),
        th.Property("name", th.StringType),
        th.Property("location", th.ObjectType(additional_properties=True)),
        th.Property("codes", th.ArrayType(th.ObjectType(additional_properties=True))),
        th.Property("updated_at", th.StringType),
    ).to_dict()

    @property
    def url_base(self) -> str:
        """Where the API is."""
        return str(self.config["base_url"])

    @property
    def authenticator(self) -> ClientCredentials:
        """One for the whole stream, with its token."""
        if self._signing is None:
            self._signing = ClientCredentials(
                auth_endpoint=f"{self.url_base}/oauth/token",
                client_id=self.config["client_id"],
                client_secret=self.config["client_secret"],
            )
        return self._signing

    _signing: ClientCredentials | None = None

    def get_new_paginator(self) -> Pages:
        """From the first entry."""
        return Pages(start_value=0, page_size=LIMIT)

    def get_url_params(
        self,
        context: Mapping[str, Any] | None,  # noqa: ARG002  the SDK's signature
        next_page_token: int | None,
    ) -> dict[str, Any]:
        """The query of a page."""
        return {"limit": LIMIT, "offset": next_page_token or 0}


class TapDirectory(Tap):
    """One stream."""

    name = "tap-directory"
    config_jsonschema = th.PropertiesList(
        th.Property("base_url", th.StringType, required=True),
        th.Property("client_id", th.StringType, required=True),
        th.Property("client_secret", th.StringType, required=True, secret=True),
    ).to_dict()

    def discover_streams(self) -> list[Stream]:
        """The one that there is."""
        return [DirectoryStream(self)]


if __name__ == "__main__":
    TapDirectory.cli()
