"""Lists of stretches of a sequence that training leaves out."""

from __future__ import annotations

from pathlib import Path

from atvio_ros.drives.sequence_store import Ranges
from atvio_ros.errors import DatasetError, SettingsError
from atvio_ros.settings import load_yaml


def load_exclusions(path: Path) -> dict[str, Ranges]:
    """{sequence: stretches to leave out} of a YAML file `'00': [[346, 361], ...]`, images from first to last.

    Raises SettingsError.
    """
    result = {}
    for name, ranges in load_yaml(path).items():
        if not isinstance(name, str):
            raise SettingsError(f'{path}: sequence {name!r} must be in quotes, or YAML reads it as a number.')
        try:
            stretches = tuple((int(first), int(last)) for first, last in ranges)
        except (TypeError, ValueError) as error:
            raise SettingsError(f'{path}: {name} must be a list of [first, last] images, not {ranges!r}.') from error
        if any(not 0 <= first <= last for first, last in stretches):
            raise SettingsError(f'{path}: a stretch of {name} ends before it begins: {ranges!r}. Write [first, last].')
        result[name] = stretches
    return result


def check_excluded(name: str, excluded: Ranges, images: int) -> None:
    """Raise DatasetError if a stretch goes beyond the last image of the sequence."""
    for first, last in excluded:
        if last >= images:
            raise DatasetError(
                f'The stretch [{first}, {last}] to exclude from {name} goes beyond its last image, {images - 1} '
                '(the first is 0). Correct the list of exclusions.'
            )
