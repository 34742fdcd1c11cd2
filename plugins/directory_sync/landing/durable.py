"""Writes files so that they survive a loss of power.

On a local disk, a file is durable once its content and the folder that contains it are flushed:
https://man7.org/linux/man-pages/man2/fsync.2.html. An object in a bucket is durable once it is written.
"""

import errno
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import uuid4

_LEVELS = 3
"""How many folders above a file may be new: the sync's, the run's and the resource's."""
_UNSUPPORTED = (errno.EINVAL, errno.ENOTSUP, errno.EBADF)
"""The errors of some mounted disks when a folder is flushed; such disks keep the order of renames."""


def is_local(fs: Any) -> bool:
    """Tells whether a file system is on this machine or on a mounted disk, not in a bucket."""
    return "file" in fs.protocol


def put(fs: Any, path: str, content: bytes) -> None:
    """Writes a small file atomically; it is durable when this returns.

    Args:
        fs: the file system.
        path: the path of the file.
        content: all that it holds.
    """
    if not is_local(fs):
        # A bucket shows an object when all of it is written.
        fs.pipe_file(path, content)
        return
    part = f"{path}.{uuid4().hex}.part"
    fs.pipe_file(part, content)
    put_in_place(fs, part, path)


def put_in_place(fs: Any, part: str, path: str) -> None:
    """Renames a complete file to its final name, atomically; the file is durable when this returns.

    Args:
        fs: the file system of both paths.
        part: the path under which the file was written.
        path: its final path.
    """
    if not is_local(fs):
        fs.mv(part, path)
        return
    _flush(Path(part))
    Path(part).replace(path)
    for folder in list(Path(path).parents)[:_LEVELS]:
        _flush_folder(folder)


def make_durable(fs: Any, paths: Iterable[str], *, root: str) -> None:
    """Flushes files that dlt has written, and the folders that contain them.

    Args:
        fs: the file system.
        paths: the files.
        root: a folder above all of them. It and the folders above it are flushed too, as they may be new.
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
