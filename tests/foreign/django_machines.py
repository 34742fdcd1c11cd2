"""A list as Django people serve it: REST framework's three ways to page, and Django Ninja.

Run as a program: `python django_machines.py DATABASE TOKEN`. It prints its port and serves until its input
ends. The list of each way has the same entries; REST framework's lists also add, change and remove them.
"""

import json
import sys
import threading
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import django
from django.conf import settings

SIZE = 10

urlpatterns: list[Any] = []


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
            "rest_framework",
            "rest_framework.authtoken",
        ],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        REST_FRAMEWORK={
            "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.TokenAuthentication"],
            "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
        },
    )
    django.setup()


def build(token: str) -> None:
    """Makes the table, the user with the token, and the endpoints."""
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.db import connection, models
    from django.urls import include, path
    from ninja import ModelSchema, NinjaAPI
    from ninja.pagination import LimitOffsetPagination as NinjaLimitOffset
    from ninja.pagination import paginate
    from ninja.security import HttpBearer
    from rest_framework import pagination, serializers, viewsets
    from rest_framework.authtoken.models import Token
    from rest_framework.routers import SimpleRouter

    class Machine(models.Model):
        name = models.TextField()

        class Meta:
            app_label = "machines"

    call_command("migrate", verbosity=0)
    with connection.schema_editor() as editor:
        editor.create_model(Machine)
    Token.objects.create(user=User.objects.create(username="reader"), key=token)

    class Pages(pagination.PageNumberPagination):
        page_size = SIZE

    class Windows(pagination.LimitOffsetPagination):
        max_limit = SIZE

    class Cursors(pagination.CursorPagination):
        page_size = SIZE
        ordering = "id"

    class MachineSerializer(serializers.ModelSerializer):
        class Meta:
            model = Machine
            fields = ("id", "name")

    router = SimpleRouter()
    for way in (Pages, Windows, Cursors):
        names = {"queryset": Machine.objects.order_by("id"), "serializer_class": MachineSerializer}
        view = type("Machines", (viewsets.ModelViewSet,), {**names, "pagination_class": way})
        router.register(f"{way.__name__.lower()}/machines", view, basename=way.__name__)

    class Key(HttpBearer):
        def authenticate(self, request: Any, token: str) -> Any:
            return Token.objects.filter(key=token).first()

    class MachineSchema(ModelSchema):
        class Meta:
            model = Machine
            fields = ("id", "name")

    ninja = NinjaAPI(auth=Key())

    @ninja.get("/machines", response=list[MachineSchema])
    @paginate(NinjaLimitOffset)
    def machines(request: Any) -> Any:
        return Machine.objects.order_by("id")

    urlpatterns[:] = [path("", include(router.urls)), path("ninja/", ninja.urls)]


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *arguments: Any) -> None:
        pass


def main() -> None:
    database, token = sys.argv[1:]
    configure(database)
    build(token)
    from django.core.wsgi import get_wsgi_application

    server = make_server("127.0.0.1", 0, get_wsgi_application(), handler_class=Quiet)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    print(json.dumps({"port": server.server_port}), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
