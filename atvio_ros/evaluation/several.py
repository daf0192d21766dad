"""Several drives beside each other, from the folders that their reports lie in."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path

from atvio_ros.evaluation.alignment import associate
from atvio_ros.evaluation.error_plots import Compared, plot_several
from atvio_ros.evaluation.metrics import Result
from atvio_ros.trajectory_files import read_tum

PICTURE = 'trajectories.png'
MOST_DRAWN = 40  # more could not be told apart, and thousands take minutes


def compare_drives(out: Path, results: Mapping[str, Result], title: str) -> Path | None:
    """Draw the drives whose reports lie in the folders `out`/NAME into one picture, the first MOST_DRAWN of them; None
    for less than two.

    Raises TrajectoryError where the files of a report cannot be read, FileError where the picture cannot be written.
    """
    (out / PICTURE).unlink(missing_ok=True)
    if len(results) < 2:
        return None
    drives = {}
    for name, result in itertools.islice(results.items(), MOST_DRAWN):
        estimate, truth = associate(read_tum(out / name / 'estimate.tum'), read_tum(out / name / 'truth.tum'))
        drives[name] = Compared(estimate.poses, truth.poses, result)
    plot_several(out / PICTURE, drives, title, len(results) - len(drives))
    return out / PICTURE
