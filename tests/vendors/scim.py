"""A SCIM 2.0 service that others wrote: `scim2-server`, with the models of RFC 7643 and RFC 7644.

Entries are added, changed and removed by the protocol itself: POST, PATCH and DELETE.
"""

import threading
from collections import Counter
from socketserver import ThreadingMixIn
from types import TracebackType
from typing import Any, Self
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import requests
from scim2_models import Pagination, ScimProvider
from scim2_server.memory import InMemoryStorage
from scim2_server.service import ScimService
from scim2_server.testserver.application import BEARER_TOKEN_SCHEME, BearerTokenApplication
from scim2_server.utils import (
    load_default_resource_types,
    load_default_schemas,
    load_default_service_provider_config,
)

TOKEN = "scim-token-not-a-real-one"
CAP = 10
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *arguments: Any) -> None:
        pass


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class ScimServer:
    """Serves inside a `with` block. It pages by index or by cursor (RFC 9865), CAP entries at most.

    Attributes:
        asked: how often each list was asked for.
    """

    def __init__(self) -> None:
        """Prepares a service without entries."""
        config = load_default_service_provider_config()
        config.authentication_schemes = [BEARER_TOKEN_SCHEME]
        config.pagination = Pagination(cursor=True, index=True, max_page_size=CAP, default_page_size=CAP)
        provider = ScimProvider.from_discovery(
            load_default_schemas().values(), load_default_resource_types().values(), config=config
        )
        service = ScimService(provider, secret="secret-of-the-cursors")
        application = BearerTokenApplication(InMemoryStorage(), provider, service, bearer_tokens=[TOKEN])
        self.asked: Counter[str] = Counter()

        def counted(environ: Any, start_response: Any) -> Any:
            self.asked[environ["PATH_INFO"]] += environ["REQUEST_METHOD"] == "GET"
            return application(environ, start_response)

        self._server = make_server("127.0.0.1", 0, counted, server_class=_Server, handler_class=_Quiet)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {TOKEN}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Sends a request of the protocol; returns the body of the answer."""
        headers = {"Content-Type": "application/scim+json"}
        answer = self._session.request(method, f"{self.url}/v2{path}", json=body, headers=headers, timeout=10)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def add_machine(self, name: str) -> str:
        """Adds a machine to the users; returns its id."""
        return str(self.ask("POST", "/Users", {"schemas": [USER], "userName": name})["id"])

    def add_hall(self, name: str, members: list[str]) -> str:
        """Adds a hall to the groups, with machines; returns its id."""
        inside = [{"value": member, "type": "User"} for member in members]
        body = {"schemas": [GROUP], "displayName": name, "members": inside}
        return str(self.ask("POST", "/Groups", body)["id"])

    def patch(self, path: str, *operations: dict[str, Any]) -> None:
        """Changes an entry by PATCH."""
        self.ask("PATCH", path, {"schemas": [PATCH], "Operations": list(operations)})
