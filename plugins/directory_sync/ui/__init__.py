"""The page "Directory" in Airflow's interface, as the plugin declares it.

It is JavaScript in `static/`, which needs no build: Airflow lends it React and Chakra UI. It reads Airflow's
own REST API, with the rights of the logged-in user, and the names of a few entries that the API server reads
from the landing zone. It never opens the warehouse.

    app.py                      serves the files, which code runs and who changed, only to those who may
    facts.py                    constants that Python and the page share -> static/facts.js
    static/page.js              what Airflow imports: the page and its tabs
    static/lent.js              what Airflow lends to plugins, and what stands in for it in an older Airflow
    static/plain.js             in place of Chakra UI: plain elements in the colours of Airflow's theme
    static/addresses.js         in place of React Router: links, and the query of the page's address
    static/card.js              the card on the home page
    static/about.js             which code runs, and what this Airflow does not have
    static/sections.js          the parts of the page, in their order
    static/verdict.js           the first sentence, and the notices below it
    static/charts.js            the charts, plain SVG
    static/trends.js            series as tables: the stages, the proof, the requests
    static/directory.js         the list of the directories, and the data that Airflow has of each
    static/actions.js           the buttons that start a run, and what became of it
    static/who.js               the card Who: who joined, left and changed
    static/queries.js           the SQL to copy
    static/details.js           the line on the proof and the time, which opens; what refusals mean
    static/parts.js             boxes, links and tables in the style of Airflow's interface
    static/reading.js           the requests to Airflow's API, and their repetition
    static/shape.js             from Airflow's answers to the data that is shown; pure functions
    static/words.js             numbers, times and durations for people
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

URL_PREFIX = "/directory-sync"
"""The path under which Airflow serves the files."""

logger = logging.getLogger(__name__)


def fastapi_apps(
    absent: Callable[[], Sequence[str]], who: Callable[..., dict[str, Any]] | None = None
) -> list[dict[str, Any]]:
    """Returns the app that serves the page's files; an empty list if this Airflow cannot protect it.

    Args:
        absent: returns what this Airflow does not have, in sentences that the page shows.
        who: returns who joined, left and changed in a publication, see `airflow/landed.py`; None: nobody is
            named.
    """
    try:
        from directory_sync.ui.app import app
    except ImportError as error:
        logger.warning(
            'There is no page "Directory": this Airflow checks logged-in users otherwise. %s', error
        )
        return []
    app.state.absent = absent
    app.state.who = who
    return [{"app": app, "url_prefix": URL_PREFIX, "name": "Directory"}]


def react_apps() -> list[dict[str, Any]]:
    """Returns the places of the page: in the navigation, at each Dag and run, on the home page."""
    # An absolute path, below that of Airflow: before 3.3 Airflow does not resolve it against its own address.
    files = f"{_path_of_airflow()}{URL_PREFIX}"
    page = {
        # The name of the component and of the tab. All three places use the same component.
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


def _path_of_airflow() -> str:
    """Returns the path below which Airflow is served, such as `/airflow`; empty: at the root."""
    from airflow.configuration import conf

    return urlsplit(conf.get("api", "base_url", fallback="")).path.rstrip("/")
