"""What an answer says beside its entries: a total in a header, whether more follows.

A path of the form that is in no answer has no effect, and a list that ends for this reason would count as
complete. So `Declared` notes which paths were seen, and refuses those that no answer had.
"""

import re
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any

from requests import Response

from directory_sync.api.next_page import leads_on, unfollowed
from directory_sync.config.form import Resource
from directory_sync.config.paging import LinkedPages
from directory_sync.config.paths import written
from directory_sync.errors import ConfigError, EnvelopeError

_COUNT = re.compile(r"\d{1,18}")
_RANGE = re.compile(r"(?:[A-Za-z]+\s+)?(?:\d+-\d+|\*)/(\d{1,18}|\*)")
_YES, _NO = ("true", "yes", "1"), ("false", "no", "0")


def header_total(response: Response, name: str | None) -> int | None:
    """Returns the total in a header, such as `X-Total-Count: 3573` or `Content-Range: 0-24/3573`.

    Args:
        response: the answer.
        name: the name of the header; None: no header states a total.

    Returns:
        The total; None: the header is absent, or states none (`0-24/*`).
    """
    text = (response.headers.get(name) or "").strip() if name else ""
    if _COUNT.fullmatch(text):
        return int(text)
    found = _RANGE.fullmatch(text)
    return int(found[1]) if found and found[1] != "*" else None


class Declared:
    """The paths that the form declares, and which of them the answers had. Several threads may use it.

    Args:
        resource: the resource whose answers are read.
    """

    def __init__(self, resource: Resource) -> None:
        """Has seen no answer yet."""
        self._resource, self._pages = resource, resource.pages
        self._lock = Lock()
        self._answers = 0
        self._has_total = self._has_next = False
        self._spelt: str | None = None
        self._cut: str | None = None

    def look(self, document: Any, response: Response) -> bool | None:
        """Notes what an answer has.

        Args:
            document: the decoded body.
            response: the answer.

        Returns:
            Whether more entries follow, as the answer says it; None: the form names no such path.

        Raises:
            EnvelopeError: the answer does not say whether more follows.
        """
        path, header = self._pages.total_path, self._pages.total_header
        with self._lock:
            self._answers += 1
            if path:
                self._has_total |= _has(document, path)
                literal = ".".join(path)
                if len(path) > 1 and _has(document, (literal,)):
                    self._spelt = written((literal,))
            elif header:
                self._has_total |= header in response.headers
            if isinstance(self._pages, LinkedPages) and not self._has_next:
                self._has_next = leads_on(document, self._pages)
        return self._says_more(document)

    def _says_more(self, document: Any) -> bool | None:
        path = self._pages.has_more_path
        if not path:
            return None
        found = _value(document, path)
        if isinstance(found, bool):
            return found
        text = found.strip().lower() if isinstance(found, str) else ""
        if text in _YES or text in _NO:
            return text in _YES
        what = f"of type {type(found).__name__}" if _has(document, path) else "missing"
        raise EnvelopeError(
            f"An answer of `{self._resource.name}` does not say whether more follows: `{written(path)}`, its "
            f"`has_more_path`, is {what}; true or false is needed. Nothing was published. Correct it in "
            f"{self._resource.form_file}, or leave it out."
        )

    def ended(self, response: Response, *, entries: int, where: str) -> None:
        """Notes the end of a walk that had one page.

        Args:
            response: the answer.
            entries: how many entries it has.
            where: the request, for messages.
        """
        if self._has_next or self._cut:
            return
        failure = unfollowed(response.json(), response, resource=self._resource, entries=entries)
        if failure:
            self._cut = f"The answer of {where} {failure}."

    def check(self) -> None:
        """Refuses a declared total, or a path to the next page, that no answer had and one should have.

        Call it after the last answer.

        Raises:
            ConfigError: no answer had the total.
            EnvelopeError: no answer had the path to the next page, and more seems to follow.
        """
        if self._cut and not self._has_next:
            raise EnvelopeError(
                f"{self._cut} Nothing was published. Check the paginator in {self._resource.form_file}, or "
                "ask the API's vendor."
            )
        if not self._answers or self._has_total or not self._pages.total_is_declared:
            return
        pages = self._pages
        what = (
            f"the header `{pages.total_header}`, its `total_header`"
            if pages.total_header
            else f"`{written(pages.total_path or ())}`, its `total_path`"
        )
        advice = (
            f"The body has a key of this very name: write {self._spelt!r}."
            if self._spelt
            else "Correct it, or leave it out if the API states no total."
        )
        raise ConfigError(
            f"None of {self._answers:,} answers of `{self._resource.name}` has {what}. "
            f"Nothing was published. {advice} It stands in {self._resource.form_file}."
        )


def _value(document: Any, path: Sequence[str]) -> Any:
    for key in path:
        document = document.get(key) if isinstance(document, Mapping) else None
    return document


def _has(document: Any, path: Sequence[str]) -> bool:
    *parents, last = path
    found = _value(document, parents)
    return isinstance(found, Mapping) and last in found
