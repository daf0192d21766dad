"""Pictures of errors: of one drive over length, speed and way; of several drives beside each other."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from atvio_ros.evaluation.metrics import Bin, Result, distances_along
from atvio_ros.evaluation.plot_style import (
    DPI,
    ESTIMATE_COLOUR,
    ROTATION_COLOUR,
    TEXT_COLOUR,
    TRUTH_COLOUR,
    WIDTH_IN,
    dress,
    figures_line,
    head,
    save,
)
from atvio_ros.geometry import inverse, rotation_angle
from atvio_ros.types import FloatArray

SMALLEST_ERROR = 0.01  # the height of an error plot, at least: no error is a flat line, not rounding blown up
MOST_NAMED = 10  # drives that get a colour of their own


@dataclass(frozen=True)
class Compared:
    """Matched poses (N, 4, 4) of base_link in odom, whose first ones coincide, and their figures."""

    estimate: FloatArray
    truth: FloatArray
    result: Result

    @property
    def position_error_m(self) -> FloatArray:
        """(N,) distance from the true position [m]."""
        return np.asarray(np.linalg.norm(self.estimate[:, :3, 3] - self.truth[:, :3, 3], axis=1))


def plot_errors(path: Path, drive: Compared, title: str) -> None:
    """Write a PNG: t_rel and r_rel by segment length and by speed, and the error over the distance driven.

    A drive too short for KITTI's segments has the errors over 10 and 50 m in their place, and no panel stays empty.
    Raises FileError if the file cannot be written.
    """
    result = drive.result
    T_error = inverse(drive.truth) @ drive.estimate
    rotation_deg = np.rad2deg(rotation_angle(T_error[:, :3, :3]))
    distance_m = distances_along(drive.truth)
    speeds = [dataclasses.replace(at, centre=3.6 * at.centre) for at in result.by_speed]
    rows = (result.by_length or result.short, 'segment length [m]'), (speeds, 'speed [km/h]')
    columns: list[tuple[Sequence[Bin], str]] = [(bins, label) for bins, label in rows if bins]
    width_in = (0.25 + 0.4 * max(2, len(columns) + 1)) * WIDTH_IN
    figure = Figure(figsize=(width_in, 0.8 * WIDTH_IN), dpi=DPI, layout='constrained')
    axes = figure.subplots(2, len(columns) + 1, squeeze=False)
    for each in axes.flat:
        dress(each)
    for column, (bins, label) in enumerate(columns):
        _plot_bins(axes[0, column], bins, [at.t_rel for at in bins], result.t_rel, '%', ESTIMATE_COLOUR)
        _plot_bins(axes[1, column], bins, [at.r_rel for at in bins], result.r_rel, 'deg/100 m', ROTATION_COLOUR)
        axes[1, column].set_xlabel(label)
    if columns:
        axes[0, 0].set_ylabel('t_rel [%]' if result.by_length else 'error of the way [%]')
        axes[1, 0].set_ylabel('r_rel [deg/100 m]' if result.by_length else 'error of the rotation [deg/100 m]')
    for row, (error, colour) in enumerate(((drive.position_error_m, ESTIMATE_COLOUR), (rotation_deg, ROTATION_COLOUR))):
        axes[row, -1].plot(distance_m, error, color=colour, linewidth=1.5)
        axes[row, -1].set_ylim(0.0, 1.1 * max(error.max(), SMALLEST_ERROR))
    axes[0, -1].set(ylabel='position error [m]')
    axes[1, -1].set(ylabel='rotation error [deg]', xlabel='distance driven [m]')
    head(axes[0, 0], title, figures_line(result, None), above_axes_pt=8.0)
    save(figure, path)


def plot_several(path: Path, drives: Mapping[str, Compared], title: str, left_out: int = 0) -> None:
    """Write a PNG with all drives in one picture: from above, the error over the way, and over the segment length.

    Every drive starts at the origin, forward up; its truth is the grey line. So many more are `left_out`, as it says.
    Raises FileError.
    """
    figure = Figure(figsize=(1.6 * WIDTH_IN, 0.8 * WIDTH_IN), dpi=DPI, layout='constrained')
    grid = figure.add_gridspec(2, 2, width_ratios=(1.3, 1.0))
    above, way = figure.add_subplot(grid[:, 0]), figure.add_subplot(grid[0, 1])
    length = figure.add_subplot(grid[1, 1])
    for axes in (above, way, length):
        dress(axes)
    colours = colormaps['tab10'].colors if len(drives) <= MOST_NAMED else colormaps['tab20'].colors  # type: ignore[attr-defined]
    for number, (name, drive) in enumerate(drives.items()):
        colour, result = colours[number % len(colours)], drive.result
        above.plot(-drive.truth[:, 1, 3], drive.truth[:, 0, 3], color=TRUTH_COLOUR, linewidth=3.0, alpha=0.5)
        above.plot(-drive.estimate[:, 1, 3], drive.estimate[:, 0, 3], color=colour, linewidth=1.5, label=name)
        way.plot(distances_along(drive.truth), drive.position_error_m, color=colour, linewidth=1.5)
        bins = (*result.short, *result.by_length)
        length.plot([at.centre for at in bins], [at.t_rel for at in bins], 'o-', color=colour, markersize=4.0)
    above.set_aspect('equal', adjustable='datalim')
    above.set(xlabel='right [m]', ylabel='forward [m]')
    above.legend(labelcolor=TEXT_COLOUR, frameon=False, fontsize=9.0, loc='best')
    way.set(xlabel='distance driven [m]', ylabel='position error [m]')
    length.set(xlabel='segment length [m]', ylabel='error of the way [%]')
    for axes in (way, length):
        axes.set_ylim(bottom=0.0)
    more = f', {left_out} more are not drawn' if left_out else ''
    head(above, title, f'{len(drives)} drives{more}; grey: ground truth', above_axes_pt=8.0)
    save(figure, path)


def _plot_bins(
    axes: Axes, bins: Sequence[Bin], values: Sequence[float], mean: float | None, unit: str, colour: str
) -> None:
    if mean is not None:
        axes.axhline(mean, color=TRUTH_COLOUR, linewidth=1.0, linestyle='--', label=f'mean {mean:.2f} {unit}')
    axes.plot([at.centre for at in bins], values, 'o-', color=colour, linewidth=1.5, markersize=5.0)
    axes.set_ylim(0.0, 1.2 * max(*values, mean or 0.0, SMALLEST_ERROR))
    if mean is not None:
        axes.legend(loc='lower right', labelcolor=TEXT_COLOUR, frameon=False)
