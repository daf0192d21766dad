"""Reads the text files of data sets."""

from __future__ import annotations

from pathlib import Path

from atvio_ros import files
from atvio_ros.errors import DatasetError


def read_text(path: Path, what: str) -> str:
    """Text of a file. Raises DatasetError that says `what` the file should be."""
    try:
        return files.read_text(path)
    except FileNotFoundError:
        raise DatasetError(f'There is no {path} ({what}). Check the path.') from None
    except UnicodeDecodeError:
        raise DatasetError(f'{path} is not a text file. Give {what}.') from None
    except OSError as error:
        raise DatasetError(
            f'{path} ({what}) cannot be read: {error.strerror}. Check the file and its permissions.'
        ) from error
