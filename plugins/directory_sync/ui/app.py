"""Serves the page's files, to logged-in users alone.

The files hold no data; still, no route is open to anonymous. The browser sends Airflow's cookie with each
import. Imported in the API server only: FastAPI and Airflow's core would slow every other process.
"""

from pathlib import Path

from airflow.api_fastapi.core_api.security import get_user
from fastapi import Depends, FastAPI, Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

_files = StaticFiles(directory=Path(__file__).parent / "static")

app = FastAPI(
    title="Directory",
    docs_url=None,
    redoc_url=None,
    openapi_url=None,
    redirect_slashes=False,
    dependencies=[Depends(get_user)],
)


# One route for every path: a mount of the files would go round the dependency.
@app.get("/{path:path}")
async def file(path: str, request: Request) -> Response:
    """Returns a file; "not modified" where the browser has it already."""
    response = await _files.get_response(path, request.scope)
    # Kept by the browser, asked for again each time: after an upgrade no old module meets a new one.
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
