"""Several drives beside each other, from the folders that their reports lie in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from atvio_ros.evaluation.alignment import associate
from atvio_ros.evaluation.error_plots import Compared, plot_several
from atvio_ros.evaluation.metrics import Result
from atvio_ros.trajectory_files import read_tum

PICTURE = 'trajectories.png'


def compare_drives(out: Path, results: Mapping[str, Result], title: str) -> Path | None:
    """Draw the drives whose reports lie in the folders `out`/NAME into one picture; None for less than two.

    Raises TrajectoryError where the files of a report cannot be read, FileError where the picture cannot be written.
    """
    (out / PICTURE).unlink(missing_ok=True)
    if len(results) < 2:
        return None
    drives = {}
    for name, result in results.items():
        estimate, truth = associate(read_tum(out / name / 'estimate.tum'), read_tum(out / name / 'truth.tum'))
        drives[name] = Compared(estimate.poses, truth.poses, result)
    plot_several(out / PICTURE, drives, title)
    return out / PICTURE
