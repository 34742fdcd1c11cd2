"""The FastAPI application."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.routing import Route

from sandbox.admin import admin_router
from sandbox.pages import EntryEndpoint, PageEndpoint
from sandbox.service import Sandbox
from sandbox.settings import Settings
from sandbox.stats import CountRequests
from sandbox.tokens import GrantRefusedError, check_grant


def create_app(settings: Settings | None = None, sandbox: Sandbox | None = None) -> FastAPI:
    """The application of one sandbox, which is its `state.sandbox`.

    Args:
        settings: How it starts; None is the defaults.
        sandbox: An existing one to serve instead; it brings its own settings.
    """
    sandbox = sandbox or Sandbox(settings)
    app = FastAPI(title="Sandbox directory API")
    app.state.sandbox = sandbox
    app.router.routes.append(Route("/v1/directory", PageEndpoint(sandbox), methods=["GET"]))
    app.router.routes.append(Route("/v1/directory/{entry_id}", EntryEndpoint(sandbox), methods=["GET"]))
    app.include_router(admin_router(sandbox))
    app.add_middleware(CountRequests, stats=sandbox.stats)

    @app.get("/health")
    def health() -> dict[str, Any]:
        """That the server answers, and the number of visible entries."""
        return {"status": "ok", "entries": len(sandbox.directory)}

    @app.post("/oauth/token")
    async def token(request: Request) -> JSONResponse:
        """A token for the client credentials in the form or the Basic header."""
        form = (await request.body()).decode("utf-8", "replace")
        authorization = request.headers.get("authorization", "")
        try:
            check_grant(form, authorization, settings=sandbox.settings)
        except GrantRefusedError as refusal:
            challenge = {"WWW-Authenticate": "Basic"} if refusal.status == 401 else None
            return JSONResponse({"error": refusal.code}, refusal.status, challenge)
        sandbox.stats.tokens_granted += 1
        granted = sandbox.tokens.grant(sandbox.settings)
        return JSONResponse(granted, headers={"Cache-Control": "no-store"})

    return app
