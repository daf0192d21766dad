"""Reports that need not be made again: what each was made of, and its figures, written when it is complete."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atvio_ros.evaluation.metrics import Bin, Result
from atvio_ros.evaluation.report import to_json
from atvio_ros.files import read_text, reporting, write_text

FILE = 'evaluated.json'
_BINS = ('by_length', 'by_speed', 'short')


@dataclass(frozen=True)
class Kept:
    """A complete report; `result` is None where there was no ground truth."""

    result: Result | None


def keep(folder: Path, made_of: str, result: Result | None) -> None:
    """Mark the report in `folder` as complete. Raises FileError."""
    write_text(folder / FILE, to_json({'made_of': made_of, 'result': None if result is None else result.as_dict()}))


def remove(folder: Path) -> None:
    """The report in `folder` is going to be another. Raises FileError."""
    with reporting(folder / FILE):
        (folder / FILE).unlink(missing_ok=True)


def kept(folder: Path, made_of: str) -> Kept | None:
    """The complete report in `folder`, if it was made of the same; None: make it."""
    try:
        values = json.loads(read_text(folder / FILE))
        return Kept(_result(values['result'])) if values['made_of'] == made_of else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _result(values: dict[str, Any] | None) -> Result | None:
    if values is None:
        return None
    bins = {name: tuple(Bin(**each) for each in values[name]) for name in _BINS}
    return Result(**{**values, **bins})
