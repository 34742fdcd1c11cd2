"""pygeoapi: the features of a collection (OGC API), by limit and offset, 12 at most; no sign-in."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import yaml

from demo.local_airflow import free_port
from tests.foreign.two_nights import NAME, Foreign, prove_two_nights
from tests.installed.install import folder_of

SERVE = """
import sys
from wsgiref.simple_server import make_server
from pygeoapi.flask_app import APP
make_server("127.0.0.1", int(sys.argv[1]), APP).serve_forever()
"""


class Pygeoapi(Foreign):
    """A collection that is a file of GeoJSON."""

    connection: ClassVar[dict[str, Any]] = {"extra": {"auth_type": "none"}}

    def __init__(self, url: str, file: Path) -> None:
        """Asks a server that runs."""
        self.url, self._file = url, file

    def form(self) -> Mapping[str, Any]:
        return {
            "client": {},
            "resources": [
                {
                    "name": NAME,
                    "endpoint": {
                        "path": f"/collections/{NAME}/items",
                        "params": {"f": "json"},
                        "data_selector": "features",
                        "paginator": {"type": "offset", "limit": 100, "total_path": "numberMatched"},
                    },
                    "detail_path": f"/collections/{NAME}/items/{{id}}",
                }
            ],
        }

    def _edit(self, edit: Callable[[list[Any]], Any]) -> Any:
        content = json.loads(self._file.read_text())
        found = edit(content["features"])
        self._file.write_text(json.dumps(content))
        return found

    def add(self, name: str) -> int:
        def append(features: list[Any]) -> int:
            key = len(features) + 101
            place = {"type": "Point", "coordinates": [key / 10, 1.0]}
            features.append({"type": "Feature", "id": key, "geometry": place, "properties": {"name": name}})
            return key

        return self._edit(append)

    def change(self, key: int) -> None:
        def oil(features: list[Any]) -> None:
            next(one for one in features if one["id"] == key)["properties"]["name"] = "Press, oiled"

        self._edit(oil)

    def remove(self, key: int) -> None:
        def remove(features: list[Any]) -> None:
            features[:] = [one for one in features if one["id"] != key]

        self._edit(remove)


def configuration(url: str, file: Path) -> dict[str, Any]:
    """What pygeoapi needs to be told of one collection."""
    text = {"en": NAME}
    about = {"name": "none", "url": url}
    return {
        "server": {
            "bind": {"host": "127.0.0.1", "port": 1},
            "url": url,
            "mimetype": "application/json; charset=UTF-8",
            "encoding": "utf-8",
            "languages": ["en-US"],
            "limits": {"default_items": 10, "max_items": 12},
            "map": {"url": url, "attribution": "none"},
        },
        "logging": {"level": "ERROR"},
        "metadata": {
            "identification": {
                "title": text,
                "description": text,
                "keywords": {"en": [NAME]},
                "keywords_type": "theme",
                "terms_of_service": "none",
                "url": url,
            },
            "license": about,
            "provider": about,
            "contact": {"name": "none"},
        },
        "resources": {
            NAME: {
                "type": "collection",
                "title": text,
                "description": text,
                "keywords": {"en": [NAME]},
                "links": [],
                "extents": {"spatial": {"bbox": [-180, -90, 180, 90]}},
                "providers": [{"type": "feature", "name": "GeoJSON", "data": str(file), "id_field": "id"}],
            }
        },
    }


def test_pygeoapi_is_synced_exactly_on_two_nights(start: Callable[..., None], tmp_path: Path) -> None:
    file, port = tmp_path / "machines.geojson", free_port()
    file.write_text(json.dumps({"type": "FeatureCollection", "features": []}))
    url = f"http://127.0.0.1:{port}"
    (tmp_path / "pygeoapi.yml").write_text(yaml.safe_dump(configuration(url, file)))
    programs = folder_of("pygeoapi") / "venv/bin"
    paths = {"PYGEOAPI_CONFIG": "pygeoapi.yml", "PYGEOAPI_OPENAPI": "openapi.yml"}
    (tmp_path / "openapi.yml").write_text("openapi: 3.0.2\n")
    start([programs / "python", "-c", SERVE, str(port)], answers_at=url, **paths)
    prove_two_nights(Pygeoapi(url, file), tmp_path / "home")
