"""Writes what an evaluation leaves behind: trajectory files, pictures, result.json and the table for the terminal."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from atvio_ros.errors import TrajectoryError
from atvio_ros.evaluation.alignment import MATCH_TOLERANCE_NS, associate, start_together, to_camera
from atvio_ros.evaluation.baseline import constant_speed_figures
from atvio_ros.evaluation.error_plots import Compared, plot_errors
from atvio_ros.evaluation.metrics import AVERAGED, Bin, Result, average, distances_along, evaluate
from atvio_ros.evaluation.plots import plot_road, plot_trajectory, plot_travel
from atvio_ros.evaluation.view_data import TIMELINE
from atvio_ros.evaluation.view_page import PAGE, write_page
from atvio_ros.evaluation.view_pictures import FILE as PICTURES
from atvio_ros.evaluation.view_pictures import write_pictures
from atvio_ros.evaluation.ways import road_row, ways
from atvio_ros.files import write_text
from atvio_ros.timeline import Timeline, timeline_of, write_timeline
from atvio_ros.trajectory_files import write_kitti_poses, write_tum
from atvio_ros.types import FloatArray, OdometryEstimate, Trajectory

NOT_ALWAYS = (
    'truth.tum',
    'truth.kitti.txt',
    'errors.png',
    'travel.png',
    'road.png',
    TIMELINE,
    PICTURES,
    PAGE,
)


def write_report(
    out: Path,
    name: str,
    estimate: Trajectory,
    truth: Trajectory | None,
    T_base_camera: FloatArray,
    *,
    model: str = '',
    notes: Mapping[str, Any] | None = None,
    estimates: Sequence[OdometryEstimate] = (),
    timeline: Timeline | None = None,
    pictures: Sequence[tuple[int, bytes]] = (),
    tolerance_ns: int = MATCH_TOLERANCE_NS,
) -> Result | None:
    """Write the files of one sequence into the folder `out` (made if need be) and return its figures.

    `estimate` and `truth` hold base_link, in odom and in any fixed frame; the truth is moved so that the first poses
    that match in time coincide. Written: estimate.tum, truth.tum (base_link in odom), estimate.kitti.txt,
    truth.kitti.txt (camera poses of the matched frames, line by line comparable), trajectory.png, errors.png,
    travel.png where `estimates` tell a direction of travel, road.png where they measured the road, and result.json,
    which also holds the `notes`. Where there are `estimates`, or their `timeline` alone, also timeline.csv,
    pictures.zip of the `pictures` (stamp [ns], JPEG), and the page view.html, which shows all of it.
    The figures are those of the camera poses, as KITTI's are. Without truth there is
    nothing to compare: no truth files, figures of null in result.json, None is returned.
    Raises TrajectoryError if the estimate is empty or not finite, or if the truth does not match it in time, FileError
    if a file cannot be written.
    """
    if len(estimate) == 0:
        raise TrajectoryError(
            f'{name}: there is no odometry to report; not one frame was processed.'
            ' Check that its images and IMU readings overlap in time.'
        )
    _prepare(out)
    result = _write_files(out, name, estimate, truth, T_base_camera, model, notes, estimates, tolerance_ns)
    if timeline is None and estimates:
        timeline = timeline_of(estimates)
    if timeline is not None:
        write_timeline(out / TIMELINE, timeline)
        if pictures:
            write_pictures(out / PICTURES, pictures)
        write_page(out)
    return result


def _write_files(
    out: Path,
    name: str,
    estimate: Trajectory,
    truth: Trajectory | None,
    T_base_camera: FloatArray,
    model: str,
    notes: Mapping[str, Any] | None,
    estimates: Sequence[OdometryEstimate],
    tolerance_ns: int,
) -> Result | None:
    title = f'{name}, {model}' if model else name
    write_tum(out / 'estimate.tum', estimate)
    if (way := ways(estimates)) is not None:
        plot_travel(out / 'travel.png', way, title)
    if (road := road_row(estimates)) is not None:
        plot_road(out / 'road.png', road, title)
    if truth is None:
        write_kitti_poses(out / 'estimate.kitti.txt', to_camera(estimate, T_base_camera).poses)
        plot_trajectory(out / 'trajectory.png', estimate, None, title)
        figures = _without_truth(estimate)
        means = {figure: figures.get(figure) for figure in AVERAGED}
        write_text(out / 'result.json', to_json({'sequences': {name: figures}, 'average': means, **(notes or {})}))
        return None

    matched_estimate, matched_truth = associate(estimate, truth, tolerance_ns)
    own_start, start = matched_truth.poses[0], matched_estimate.poses[0]
    truth, matched_truth = (start_together(each, own_start, start) for each in (truth, matched_truth))
    camera_estimate = to_camera(matched_estimate, T_base_camera).poses
    camera_truth = to_camera(matched_truth, T_base_camera).poses
    write_kitti_poses(out / 'estimate.kitti.txt', camera_estimate)
    write_kitti_poses(out / 'truth.kitti.txt', camera_truth)
    write_tum(out / 'truth.tum', truth)

    result = dataclasses.replace(
        evaluate(camera_truth, camera_estimate, 'none', matched_truth.stamps_ns, truth_frames=len(truth)),
        constant_speed=constant_speed_figures(
            Trajectory(matched_estimate.stamps_ns, camera_estimate), Trajectory(matched_truth.stamps_ns, camera_truth)
        ),
    )
    drive = Compared(matched_estimate.poses, matched_truth.poses, result)
    plot_trajectory(out / 'trajectory.png', estimate, truth, title, result, (drive.estimate, drive.position_error_m))
    plot_errors(out / 'errors.png', drive, title)
    write_text(out / 'result.json', to_json(results_as_dict({name: result}, notes)))
    return result


def results_as_dict(results: Mapping[str, Result], notes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What result.json holds: {"sequences": {name: figures}, "average": figures, **notes}; see to_json."""
    sequences = {name: result.as_dict() for name, result in results.items()}
    return {'sequences': sequences, 'average': average(results.values()), **(notes or {})}


def to_json(content: Mapping[str, Any]) -> str:
    """Strict JSON: NaN and infinity, which JSON lacks, become null; arrays lists; paths strings."""
    return json.dumps(_plain(content), indent=2, allow_nan=False) + '\n'


def results_table(results: Mapping[str, Result], title: str | None = None) -> Table:
    """The figures as the paper's tables have them: a row a sequence, the average last.

    `at mean speed` is the t_rel of the constant-speed baseline (baseline.py).
    """
    short = any(result.t_rel is None for result in results.values())
    shorter = any(result.t_rel is None and not result.short for result in results.values())
    beside = any(result.constant_speed is not None for result in results.values())
    table = Table(title=title, box=SIMPLE_HEAD, pad_edge=False)
    table.add_column('\nsequence')
    for heading in (
        't_rel\n%',
        *(['at mean\nspeed %'] if beside else []),
        'r_rel\n°/100 m',
        *(['10 m\n%', '50 m\n%'] if short else []),
        *(['end\n%'] if shorter else []),
        'ATE\nm',
        'length\nm',
        '\nframes',
    ):
        table.add_column(heading, justify='right')
    rows: list[tuple[str, Mapping[str, Any]]] = [(name, result.as_dict()) for name, result in results.items()]
    if len(results) > 1:
        rows.append(('average', {**average(results.values()), **_average_beside(results.values())}))
    for i, (name, row) in enumerate(rows):
        over = {at['centre']: at['t_rel'] for at in row.get('short', ())}
        values = [
            row['t_rel'],
            *([(row.get('constant_speed') or {}).get('t_rel')] if beside else []),
            row['r_rel'],
            *([over.get(10.0), over.get(50.0)] if short else []),
            *([row['end_error_percent']] if shorter else []),
            row['ate_m'],
        ]
        cells = ['-' if value is None else f'{value:.2f}' for value in values]
        last = i == len(results) - 1 < len(rows) - 1  # the average follows
        table.add_row(Text(name), *cells, f'{row["length_m"]:.1f}', f'{row["frames"]:.0f}', end_section=last)
    return table


def _average_beside(results: Iterable[Result]) -> dict[str, Any]:
    """What the table averages beyond `average`: the baseline's t_rel, and the errors over short lengths."""
    baseline: list[float] = []
    over: dict[float, list[float]] = {}
    for result in results:
        t_rel = (result.constant_speed or {}).get('t_rel')
        baseline += [] if t_rel is None else [t_rel]
        for at in result.short:
            over.setdefault(at.centre, []).append(at.t_rel)
    short = [{'centre': centre, 't_rel': float(np.mean(values))} for centre, values in over.items()]
    return {'constant_speed': {'t_rel': float(np.mean(baseline)) if baseline else None}, 'short': short}


def bins_table(bins: Sequence[Bin], heading: str, factor: float = 1.0) -> Table:
    """The figures by segment length, or by speed: `factor` turns the bins' centres into the unit of `heading`."""
    table = Table(heading, 't_rel %', 'r_rel °/100 m', 'segments')
    for column in table.columns:
        column.justify = 'right'
    for at in bins:
        table.add_row(f'{factor * at.centre:.0f}', f'{at.t_rel:.2f}', f'{at.r_rel:.2f}', str(at.segments))
    return table


def _prepare(out: Path) -> None:
    """Make the folder, and clear what an earlier report may have left there."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        for file in NOT_ALWAYS:
            (out / file).unlink(missing_ok=True)
    except OSError as error:
        raise TrajectoryError(f'The output folder {out} cannot be used: {error.strerror}. Choose another.') from error


def _without_truth(estimate: Trajectory) -> dict[str, Any]:
    length_m = float(distances_along(estimate.poses)[-1])
    return {'t_rel': None, 'r_rel': None, 'ate_m': None, 'length_m': length_m, 'frames': len(estimate)}


def _plain(value: Any) -> Any:
    """`value` in the types that JSON has."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value) if isinstance(value, Path) else value
