"""The pull of a seed as dlt's own offset paginator reads it: what the figures are held against."""

import json

from dlt.sources.helpers.rest_client.paginators import OffsetPaginator
from requests import Request, Response

from tests.chaos.pulls import LIMIT, Outcome, Pull, Served


def read_with_dlt(pull: Pull) -> Outcome:
    """Reads the directory of a seed page by page, the total used where the API states one."""
    served, found = Served(pull), set()
    paginator = OffsetPaginator(limit=LIMIT, total_path=None if pull.total == "absent" else "total")
    request = Request("GET", "http://directory.test/", params={})
    paginator.init_request(request)
    while paginator.has_next_page:
        page = served.ask(request.params["offset"], request.params["limit"])
        ids = [entry.id for entry in page.entries]
        found.update(ids)
        response = Response()
        response._content = json.dumps({"total": page.total}).encode()
        paginator.update_state(response, ids)
        paginator.update_request(request)
    lasting = served.lasting
    return Outcome(lasting=len(lasting), missing=len(lasting - found), requests=served.answers)
