"""Serves the page's files, and which code runs, only to logged-in users.

The files contain no data, but no route is open to anonymous users, except the files in Airflow 3.1.0. The
browser sends Airflow's cookie with each import. Only the API server imports this module: FastAPI and
Airflow's core would slow other processes.
"""

from importlib.metadata import version
from inspect import signature
from pathlib import Path
from typing import Any

from airflow.api_fastapi.core_api.security import get_user
from fastapi import Depends, FastAPI, Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from directory_sync import about

_TAKES_COOKIES = "request" in signature(get_user).parameters
"""Airflow 3.1.0 takes the token of a login in a header alone, which no import of a module can send."""
_files = StaticFiles(directory=Path(__file__).parent / "static")

app = FastAPI(
    title="Directory",
    docs_url=None,
    redoc_url=None,
    openapi_url=None,
    redirect_slashes=False,
    dependencies=[Depends(get_user)] if _TAKES_COOKIES else [],
)


@app.get("/about.json", dependencies=[Depends(get_user)])
def about_this_code(request: Request) -> dict[str, Any]:
    """Returns which code the API server runs, and what its Airflow does not have."""
    return {
        "version": about.VERSION,
        "origin": about.origin(),
        "location": str(about.LOCATION),
        "notRun": [str(path) for path in about.not_run()],
        "airflow": version("apache-airflow-core"),
        "absent": list(request.app.state.absent()),
    }


# One route for every other path: a mount of the files would bypass the dependency.
@app.get("/{path:path}")
async def file(path: str, request: Request) -> Response:
    """Returns a file; the status 304 if the browser already has it."""
    response = await _files.get_response(path, request.scope)
    # The browser keeps the file but validates it each time: an upgrade never mixes old and new modules.
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
