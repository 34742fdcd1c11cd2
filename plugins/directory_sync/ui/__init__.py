"""The page "Directory" in Airflow's interface, as the plugin declares it.

It is JavaScript in `static/`, which needs no build: Airflow lends it React and Chakra UI. It reads Airflow's
own REST API with the rights of whoever looks, and nothing else; the warehouse is never opened.

    app.py                      serves the files, to logged-in users alone
    facts.py                    what Python and the page both know -> static/facts.js
    static/page.js              what Airflow imports: the page and its tabs
    static/card.js              the card on the home page
    static/sections.js          the parts of the page, in their order
    static/verdict.js           the first sentence and its notices, in words
    static/charts.js            the charts, plain SVG
    static/trends.js            series as tables: the stages, the proof, the requests
    static/directory.js         which directories there are, and what Airflow tells of one
    static/parts.js             boxes, links and tables in Airflow's look
    static/reading.js           the requests, and when they are made again
    static/shape.js             what was read -> what is shown; pure functions
    static/words.js             numbers, times and durations for people
"""

import logging
from typing import Any

URL_PREFIX = "/directory-sync"
"""Where Airflow mounts the files."""

logger = logging.getLogger(__name__)


def fastapi_apps() -> list[dict[str, Any]]:
    """Returns the app that serves the page's files; none where this Airflow cannot protect it."""
    try:
        from directory_sync.ui.app import app
    except ImportError as error:
        logger.warning('No page "Directory": this Airflow offers another way to ask who looks. %s', error)
        return []
    return [{"app": app, "url_prefix": URL_PREFIX, "name": "Directory"}]


def react_apps() -> list[dict[str, Any]]:
    """Returns where the page stands: in the navigation, at each Dag and run, on the home page."""
    files = URL_PREFIX.removeprefix("/")
    page = {
        # The component's name, and what the tab is called. One component serves all three.
        "name": "Directory",
        "bundle_url": f"{files}/page.js",
        "icon": f"{files}/icon.svg",
        "icon_dark_mode": f"{files}/icon-dark.svg",
    }
    return [
        {**page, "url_route": "directory", "destination": "nav", "nav_top_level": True},
        {**page, "url_route": "directory-dag", "destination": "dag"},
        {**page, "url_route": "directory-run", "destination": "dag_run"},
        {**page, "name": "Directory card", "url_route": "directory-card", "destination": "dashboard"},
    ]
