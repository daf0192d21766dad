"""What a view shows, from the files of a run's folder, as plain values for the page and the film."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from atvio_ros.errors import TrajectoryError
from atvio_ros.evaluation.alignment import associate
from atvio_ros.evaluation.metrics import distances_along
from atvio_ros.evaluation.view_pictures import FILE as PICTURES
from atvio_ros.evaluation.view_pictures import read_pictures
from atvio_ros.files import read_text
from atvio_ros.geometry import inverse, rotation_angle
from atvio_ros.timeline import Timeline, read_timeline
from atvio_ros.trajectory_files import read_tum
from atvio_ros.types import NANOSECONDS, FloatArray, Trajectory

TIMELINE = 'timeline.csv'
MOST_ROWS = 6000  # that a page draws: ten minutes at 10 Hz; of longer drives evenly fewer


@dataclass(frozen=True)
class View:
    """A drive as it is shown: N rows, T of time in seconds from the first."""

    name: str
    timeline: Timeline  # N rows
    truth: FloatArray | None  # (N, 4, 4) in odom, NaN where there is none at that time; None without ground truth
    pictures: list[tuple[float, bytes]]  # seconds, JPEG
    figures: Mapping[str, Any]  # of result.json, of this sequence
    notes: Mapping[str, Any]  # of result.json: what made it
    left_out: int = 0  # rows that are not shown, of a long drive

    @property
    def seconds(self) -> FloatArray:
        """(N,) since the first row."""
        return np.asarray((self.timeline.stamps_ns - self.timeline.stamps_ns[0]) / NANOSECONDS)

    @property
    def distance_m(self) -> FloatArray:
        """(N,) driven so far, by the estimate."""
        return distances_along(self.timeline.poses)

    def errors(self) -> tuple[FloatArray, FloatArray] | None:
        """Position error [m] and rotation error [rad] of each row (N,); None without ground truth."""
        if self.truth is None:
            return None
        known = np.isfinite(self.truth[:, 0, 0])
        position, rotation = (np.full(len(self.truth), np.nan) for _ in range(2))
        estimate, truth = self.timeline.poses[known], self.truth[known]
        position[known] = np.linalg.norm(estimate[:, :3, 3] - truth[:, :3, 3], axis=1)
        rotation[known] = rotation_angle((inverse(truth) @ estimate)[:, :3, :3])
        return position, rotation


def run_folders(path: Path) -> list[Path]:
    """The folder itself where a run left a timeline in it; those in it where an evaluation did; none of a bag."""
    if _is_run_folder(path):
        return [path]
    return sorted(each for each in path.iterdir() if _is_run_folder(each)) if path.is_dir() else []


def _is_run_folder(path: Path) -> bool:
    return (path / TIMELINE).is_file() and (path / 'result.json').is_file()


def read_view(folder: Path) -> View:
    """What `atvio run`, `replay` or `evaluate` left in a folder. Raises TrajectoryError where a file is damaged."""
    name, figures, notes = _result(folder / 'result.json')
    timeline = read_timeline(folder / TIMELINE)
    step = -(-len(timeline) // MOST_ROWS)
    shown = _thinned(timeline, step)
    truth = _matched(shown, read_tum(folder / 'truth.tum')) if (folder / 'truth.tum').is_file() else None
    start_ns = int(shown.stamps_ns[0])
    pictures = [((stamp - start_ns) / NANOSECONDS, jpeg) for stamp, jpeg in read_pictures(folder / PICTURES)]
    return View(name, shown, truth, pictures, figures, notes, len(timeline) - len(shown))


def _result(path: Path) -> tuple[str, Mapping[str, Any], Mapping[str, Any]]:
    try:
        result = json.loads(read_text(path))
        ((name, figures),) = result['sequences'].items()
        notes = {key: value for key, value in result.items() if key not in ('sequences', 'average')}
        if not isinstance(figures, dict):
            raise TypeError('no figures')
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise TrajectoryError(f'{path} is no result.json of one drive: {error}. Run the bag again.') from error
    return name, figures, notes


def _thinned(timeline: Timeline, step: int) -> Timeline:
    if step == 1:
        return timeline
    kept = slice(None, None, step)
    values = {name: column[kept] for name, column in timeline.values.items()}
    return Timeline(
        timeline.stamps_ns[kept], timeline.poses[kept], values, timeline.states[kept], timeline.messages[kept]
    )


def _matched(timeline: Timeline, truth: Trajectory) -> FloatArray | None:
    """The true pose of each row, NaN where there is none."""
    try:
        estimate, true = associate(Trajectory(timeline.stamps_ns, timeline.poses), truth)
    except TrajectoryError:  # truth of a rate so low that less than half of either matches
        return None
    poses = np.full((len(timeline), 4, 4), np.nan)
    poses[np.searchsorted(timeline.stamps_ns, estimate.stamps_ns)] = true.poses
    return poses
