"""Files that get their name only when they are whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from atvio_ros.errors import FileError


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically. Raises FileError if it cannot be written."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding='utf-8')


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside `path` to write to; it becomes `path` when the block ends well, else it is removed.

    Raises FileError if the file cannot be written.
    """
    temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise FileError(f'{path} cannot be written: {error.strerror or error}.') from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
