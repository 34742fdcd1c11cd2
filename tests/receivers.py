"""Who is told: a real SMTP server, and the receiver of a webhook, in this process."""

import json
import re
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

from aiosmtpd.controller import Controller
from typing_extensions import Self

from demo.local_airflow import CHECKOUT, free_port

if TYPE_CHECKING:
    from email.message import EmailMessage

README = (CHECKOUT / "README.md").read_text(encoding="utf-8")
WEBHOOK_SECRET = "hook-secret-not-a-real-one"


class Mailbox:
    """An SMTP server on this machine, with the mails that it took."""

    def __init__(self) -> None:
        """Chooses a port."""
        self.port = free_port()
        self.mails: list[EmailMessage] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        """Takes a mail; aiosmtpd calls it."""
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"

    def __enter__(self) -> Self:
        """Listens."""
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Ends it."""
        self.stop()

    def stop(self) -> None:
        """Ends it; then nobody listens at its port."""
        if self._controller.loop.is_running():
            self._controller.stop()

    @property
    def connection(self) -> str:
        """Airflow's connection to it, as a variable holds it."""
        extra = {"disable_ssl": True, "disable_tls": True, "timeout": 5, "retry_limit": 1}
        given = {"conn_type": "smtp", "host": "127.0.0.1", "port": self.port, "extra": extra}
        return json.dumps(given)

    @property
    def subjects(self) -> list[str]:
        """The subjects of the mails, in order."""
        return [mail["Subject"] for mail in self.mails]

    def body(self, number: int) -> str:
        """The HTML of a mail."""
        part = self.mails[number].get_body(("html",))
        assert part is not None
        return str(part.get_content())


class Webhook:
    """A server that takes what Apprise posts to a `json://` URL."""

    def __init__(self) -> None:
        """Opens a port."""
        posted: list[dict[str, Any]] = []
        self.posted = posted

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def __enter__(self) -> Self:
        """Serves."""
        Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Ends it."""
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Apprise's URL of it, with a password."""
        return f"json://chat:{WEBHOOK_SECRET}@127.0.0.1:{self._server.server_port}/"

    @property
    def connection(self) -> str:
        """The Apprise connection to it, as a variable holds it."""
        config = {"path": self.url, "tag": "directory"}
        return json.dumps({"conn_type": "apprise", "extra": {"config": config}})

    @property
    def titles(self) -> list[str]:
        """The titles that were posted, in order."""
        return [one["title"] for one in self.posted]


def told_by_mail(dag_file: str) -> str:
    """A Dag file with the README's line for it."""
    [line] = re.findall(r"^ *(notify=.*)$", README, re.MULTILINE)
    provider = "from airflow.providers.smtp.notifications.smtp import SmtpNotifier\n"
    with_line = dag_file.replace("    doc_md=__doc__,", f"    doc_md=__doc__,\n    {line}")
    return with_line.replace("import dlt\n", f"import dlt\n{provider}")


def told_without_code(url: str) -> dict[str, str]:
    """The variables that the README shows, with the URL of a webhook."""
    lines = re.findall(r"^(AIRFLOW_CONN_TEAM_CHAT|DIRECTORY_SYNC_NOTIFY)=(.*)$", README, re.MULTILINE)
    assert len(lines) == 2
    return {name: text.strip("'").replace("json://chat.example.org/hook", url) for name, text in lines}
