"""A directory as Django people build one: REST framework's limits and offsets, OAuth2, SQLite.

Run as a program: `python django_directory.py DATABASE ENTRIES`. It prints its port and serves until its
input ends; each answer is followed by an insert and, every other time, a deletion.
"""

import json
import random
import sys
import threading
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import django
from django.conf import settings

TOKEN_SECONDS = 2
MAX_LIMIT = 20
CLIENT_ID, CLIENT_SECRET = "django-client", "django-secret"


def configure(database: str) -> None:
    settings.configure(
        SECRET_KEY="of-a-test",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        USE_TZ=True,
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": database}},
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "oauth2_provider",
            "rest_framework",
        ],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        OAUTH2_PROVIDER={"ACCESS_TOKEN_EXPIRE_SECONDS": TOKEN_SECONDS, "SCOPES": {"read": "Read"}},
        REST_FRAMEWORK={
            "DEFAULT_AUTHENTICATION_CLASSES": ["oauth2_provider.contrib.rest_framework.OAuth2Authentication"],
            "DEFAULT_PERMISSION_CLASSES": ["oauth2_provider.contrib.rest_framework.TokenHasScope"],
        },
    )
    django.setup()


urlpatterns: list[Any] = []


def build(entries: int) -> None:
    """Makes the tables, the client, the entries and the two endpoints."""
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.db import connection, models
    from django.urls import include, path
    from oauth2_provider.models import Application
    from rest_framework import serializers
    from rest_framework.generics import ListAPIView
    from rest_framework.pagination import LimitOffsetPagination
    from rest_framework.response import Response

    class Person(models.Model):
        name = models.TextField()
        place = models.JSONField()

        class Meta:
            app_label = "directory"

    call_command("migrate", verbosity=0)
    with connection.schema_editor() as editor:
        editor.create_model(Person)
    Person.objects.bulk_create(
        Person(id=10 * n, name=f"Person {n}", place={"city": f"City {n % 7}"}) for n in range(1, entries + 1)
    )
    Application.objects.create(
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
        client_type=Application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=Application.GRANT_CLIENT_CREDENTIALS,
        user=User.objects.create(username="owner"),
        name="sync",
    )

    class Pages(LimitOffsetPagination):
        max_limit = MAX_LIMIT

        def get_paginated_response(self, data: Any) -> Response:
            return Response({"data": data, "total": self.count})

    class PersonSerializer(serializers.ModelSerializer):
        class Meta:
            model = Person
            fields = ("id", "name", "place")

    class People(ListAPIView):
        queryset = Person.objects.order_by("id")
        serializer_class = PersonSerializer
        pagination_class = Pages
        required_scopes = ("read",)

        def list(self, request: Any, *arguments: Any, **names: Any) -> Response:
            answer = super().list(request, *arguments, **names)
            churn(Person)
            return answer

    urlpatterns[:] = [
        path("v1/directory", People.as_view()),
        path("oauth/", include("oauth2_provider.urls", namespace="oauth2_provider")),
    ]


_draw = random.Random(7)


def churn(person: Any) -> None:
    ids = list(person.objects.values_list("id", flat=True))
    near = _draw.choice(ids)
    if near + 1 not in ids:
        person.objects.create(id=near + 1, name="Inserted", place={"city": "Late"})
    if _draw.random() < 0.5:
        person.objects.filter(id=_draw.choice(ids)).delete()


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *arguments: Any) -> None:
        pass


def main() -> None:
    database, entries = sys.argv[1], int(sys.argv[2])
    configure(database)
    build(entries)
    from django.core.wsgi import get_wsgi_application

    server = make_server("127.0.0.1", 0, get_wsgi_application(), handler_class=Quiet)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    print(json.dumps({"port": server.server_port}), flush=True)
    sys.stdin.read()
    Path(database).unlink()


if __name__ == "__main__":
    main()
