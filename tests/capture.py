"""All that is logged, whatever the loggers are set to."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


class Capture(logging.Handler):
    """Keeps all that is logged, formatted with its traceback."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{self.format(record)} {record.args!r}")


@contextmanager
def capturing() -> Iterator[Capture]:
    """Listens to every logger there is, at DEBUG."""
    capture = Capture()
    loggers = [logging.getLogger(), *map(logging.getLogger, list(logging.root.manager.loggerDict))]
    before = [(one, one.level, one.disabled) for one in loggers]
    for one in loggers:
        one.setLevel(logging.DEBUG)
        one.disabled = False
        one.addHandler(capture)
    try:
        yield capture
    finally:
        for one, level, disabled in before:
            one.setLevel(level)
            one.disabled = disabled
            one.removeHandler(capture)
