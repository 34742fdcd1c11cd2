"""Files that survive a loss of power, on a disk of this machine; a bucket's objects are durable when written.

A file is durable once its content and the folder that names it are flushed to the disk.
https://man7.org/linux/man-pages/man2/fsync.2.html
"""

import errno
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_LEVELS = 3
"""The folders above a file that can be new with it: a sync's, its run's, its resource's."""
_UNSUPPORTED = (errno.EINVAL, errno.ENOTSUP, errno.EBADF)
"""What some mounted disks say to a flush of a folder; they order their renames themselves."""


def is_local(fs: Any) -> bool:
    """Tells whether a file system is this machine's, or a disk mounted there."""
    return "file" in fs.protocol


def put_in_place(fs: Any, part: str, path: str) -> None:
    """Gives a complete file its name, whole or not at all; it is durable when this returns.

    Args:
        fs: where both are.
        part: the file as it was written.
        path: what it is to be called.
    """
    if not is_local(fs):
        fs.mv(part, path)
        return
    _flush(Path(part))
    Path(part).replace(path)
    for folder in list(Path(path).parents)[:_LEVELS]:
        _flush_folder(folder)


def make_durable(fs: Any, paths: Iterable[str], *, root: str) -> None:
    """Flushes files that others have written, and the folders between them and a root.

    Args:
        fs: where they are.
        paths: the files.
        root: the folder above all of them; it and what it is in are flushed as well, for they may be new.
    """
    if not is_local(fs):
        return
    top = Path(root)
    folders = {top, *list(top.parents)[: _LEVELS - 1]}
    for path in map(Path, paths):
        _flush(path)
        folders |= {folder for folder in path.parents if folder.is_relative_to(top)}
    for folder in sorted(folders, key=lambda one: len(one.parts), reverse=True):
        _flush_folder(folder)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _flush_folder(path: Path) -> None:
    try:
        _flush(path)
    except OSError as e:
        if e.errno not in _UNSUPPORTED:
            raise
