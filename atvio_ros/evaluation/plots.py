"""Pictures of trajectories and their errors, drawn without a display."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from atvio_ros.evaluation.metrics import Bin, Result, distances_along
from atvio_ros.evaluation.ways import RoadRow, Ways
from atvio_ros.files import replacing
from atvio_ros.geometry import inverse, rotation_angle
from atvio_ros.types import FloatArray, Trajectory

TRUTH_COLOUR = '#8a8f98'
ESTIMATE_COLOUR = '#0072b2'  # from Okabe and Ito's palette: distinct to colour-blind readers too
ROTATION_COLOUR = '#d55e00'
TEXT_COLOUR = '#4a4f57'
AXIS_COLOUR = '#b8bcc4'
GRID_COLOUR = '#e6e8eb'
DPI = 150
WIDTH_IN = 8.0
SMALLEST_SPAN_M = 2.0  # of the top view and of the height: standing still is a point, not noise blown up
SMALLEST_ERROR = 0.01  # the height of an error plot, at least: no error is a flat line, not rounding blown up
SMALLEST_ANGLE_DEG = 1.0  # either side of a plot of directions, at least
NARROWEST = 0.35  # height to width of the top view, at least: a straight road stays a picture


def plot_trajectory(
    path: Path, estimate: Trajectory, truth: Trajectory | None, title: str, result: Result | None = None
) -> None:
    """Write a PNG: estimate and ground truth from above, and their height over distance below.

    Both hold base_link in odom (x forward, y left, z up, metres). A long drive straight ahead is drawn left to right,
    any other with forward up. Raises FileError if the file cannot be written.
    """
    lines = [] if truth is None else [(truth.poses, 'ground truth', TRUTH_COLOUR, 3.0)]
    lines.append((estimate.poses, 'estimate', ESTIMATE_COLOUR, 1.5))
    points = np.concatenate([poses[:, :3, 3] for poses, *_ in lines])
    lying = bool(np.ptp(points[:, 0]) > 1.5 * np.ptp(points[:, 1]))
    extent = _extent(_seen_from_above(points, lying))
    tall_in = WIDTH_IN * float(np.clip((extent[1, 1] - extent[1, 0]) / (extent[0, 1] - extent[0, 0]), NARROWEST, 1.1))
    figure = Figure(figsize=(WIDTH_IN, tall_in + 3.2), dpi=DPI, layout='constrained')
    above, height = figure.subplots(
        2, 1, gridspec_kw={'height_ratios': [tall_in, 1.5]}
    )  # Ubuntu 22.04's takes these only so
    for axes in (above, height):
        _dress(axes)
    for poses, label, colour, width in lines:
        above.plot(*_seen_from_above(poses[:, :3, 3], lying), color=colour, linewidth=width, label=label)
        above.plot(*_seen_from_above(poses[-1:, :3, 3], lying), 's', color=colour, markersize=5.0 + 0.5 * width)
        height.plot(distances_along(poses), poses[:, 2, 3], color=colour, linewidth=0.7 * width)
    start = _seen_from_above(estimate.poses[:1, :3, 3], lying)
    above.plot(*start, 'o', color='white', markeredgecolor='black', markersize=8.0, label='start')
    above.plot([], [], 's', color=TEXT_COLOUR, markersize=6.0, label='end')
    above.set_aspect('equal', adjustable='datalim')
    above.update_datalim(extent.T)
    above.margins(0.0)
    above.set_xlabel('forward [m]' if lying else 'right [m]')
    above.set_ylabel('left [m]' if lying else 'forward [m]')
    above.legend(
        loc='lower left', bbox_to_anchor=(-0.01, 1.0), ncol=4, labelcolor=TEXT_COLOUR, frameon=False, borderpad=0.2
    )
    height.set(xlabel='distance driven [m]', ylabel='up [m]')
    height.margins(x=0.02)
    height.yaxis.set_major_locator(MaxNLocator(4))
    _keep_span(height)
    _head(above, title, _figures(result, estimate), above_axes_pt=24.0)
    _save(figure, path)


def plot_errors(path: Path, estimate: FloatArray, truth: FloatArray, result: Result, title: str) -> None:
    """Write a PNG: t_rel and r_rel by segment length and by speed, and the error over the distance driven.

    `estimate` and `truth` (N, 4, 4) are matched poses in one fixed frame whose first poses coincide. Raises
    FileError if the file cannot be written.
    """
    T_error = inverse(truth) @ estimate
    position_m = np.linalg.norm(T_error[:, :3, 3], axis=1)
    rotation_deg = np.rad2deg(rotation_angle(T_error[:, :3, :3]))
    distance_m = distances_along(truth)
    figure = Figure(figsize=(1.45 * WIDTH_IN, 0.8 * WIDTH_IN), dpi=DPI, layout='constrained')
    axes = figure.subplots(2, 3)
    for each in axes.flat:
        _dress(each)
    speeds = [dataclasses.replace(at, centre=3.6 * at.centre) for at in result.by_speed]
    for column, bins in enumerate((result.by_length, speeds)):
        _plot_bins(axes[0, column], bins, [at.t_rel for at in bins], result.t_rel, '%', ESTIMATE_COLOUR)
        _plot_bins(axes[1, column], bins, [at.r_rel for at in bins], result.r_rel, 'deg/100 m', ROTATION_COLOUR)
    for row, (error, colour) in enumerate(((position_m, ESTIMATE_COLOUR), (rotation_deg, ROTATION_COLOUR))):
        axes[row, 2].plot(distance_m, error, color=colour, linewidth=1.5)
        axes[row, 2].set_ylim(0.0, 1.1 * max(error.max(), SMALLEST_ERROR))
    axes[0, 0].set(ylabel='t_rel [%]')
    axes[1, 0].set(ylabel='r_rel [deg/100 m]', xlabel='segment length [m]')
    axes[1, 1].set(xlabel='speed [km/h]')
    axes[0, 2].set(ylabel='position error [m]')
    axes[1, 2].set(ylabel='rotation error [deg]', xlabel='distance driven [m]')
    _head(axes[0, 0], title, _figures(result, None), above_axes_pt=8.0)
    _save(figure, path)


def plot_travel(path: Path, way: Ways, title: str) -> None:
    """Write a PNG: the direction of travel over time, its sigma as a band, pairs without confidence in grey.

    Raises FileError if the file cannot be written.
    """
    figure = Figure(figsize=(WIDTH_IN, 0.6 * WIDTH_IN), dpi=DPI, layout='constrained')
    above, below = figure.subplots(2, 1, sharex=True)
    rows = (
        (above, way.pitch, way.pitch_sigma, "below the rig's [deg]", ESTIMATE_COLOUR),
        (below, way.yaw, way.yaw_sigma, "right of the rig's [deg]", ROTATION_COLOUR),
    )
    for axes, radians, sigma_rad, label, colour in rows:
        _dress(axes)
        angle, sigma = np.degrees(radians), np.degrees(sigma_rad)
        axes.fill_between(way.seconds, angle - sigma, angle + sigma, color=colour, alpha=0.25, linewidth=0.0)
        axes.plot(way.seconds, angle, color=colour, linewidth=1.2)
        low, high = min(angle.min(), -SMALLEST_ANGLE_DEG), max(angle.max(), SMALLEST_ANGLE_DEG)
        axes.set_ylim(1.1 * low, 1.1 * high)
        axes.fill_between(
            way.seconds,
            0.0,
            1.0,
            where=~way.confident,
            transform=axes.get_xaxis_transform(),
            color=GRID_COLOUR,
            zorder=0,
        )
        axes.set_ylabel(label)
    below.set_xlabel('time [s]')
    above.invert_yaxis()  # what lies below is drawn below
    _head(above, title, 'direction of travel, sigma as a band; grey: not confident', above_axes_pt=8.0)
    _save(figure, path)


def plot_road(path: Path, road: RoadRow, title: str) -> None:
    """Write a PNG: speed over the road with its sigma, the road's tilt, and the share of its patches that agree.

    Raises FileError if the file cannot be written.
    """
    figure = Figure(figsize=(WIDTH_IN, 0.7 * WIDTH_IN), dpi=DPI, layout='constrained')
    speed, tilt, support = figure.subplots(3, 1, sharex=True, gridspec_kw={'height_ratios': (2.0, 1.0, 1.0)})
    for axes, values, label, colour in (
        (speed, road.speed, 'speed [m/s]', ESTIMATE_COLOUR),
        (tilt, np.degrees(road.tilt), 'tilt [deg]', ROTATION_COLOUR),
        (support, 100.0 * road.support, 'agree [%]', TEXT_COLOUR),
    ):
        _dress(axes)
        axes.plot(road.seconds, values, color=colour, linewidth=1.2)
        axes.set_ylabel(label)
    low, high = road.speed - road.sigma, road.speed + road.sigma
    speed.fill_between(road.seconds, low, high, color=ESTIMATE_COLOUR, alpha=0.25, linewidth=0.0)
    speed.set_ylim(min(0.0, 1.1 * road.speed.min()), 1.3 * max(1.0, road.speed.max()))  # not that of a first sigma
    reach = max(SMALLEST_ANGLE_DEG, float(np.abs(np.degrees(road.tilt)).max()))
    tilt.set_ylim(-1.1 * reach, 1.1 * reach)
    support.set_ylim(0.0, 105.0)
    support.set_xlabel('time [s]')
    _head(speed, title, 'what the road showed; sigma as a band', above_axes_pt=8.0)
    _save(figure, path)


def _plot_bins(
    axes: Axes, bins: Sequence[Bin], values: Sequence[float], mean: float | None, unit: str, colour: str
) -> None:
    if not bins or mean is None:
        axes.text(0.5, 0.5, 'needs more than 100 m', transform=axes.transAxes, ha='center', color=TEXT_COLOUR)
        axes.set(xticks=[], yticks=[])
        return
    axes.axhline(mean, color=TRUTH_COLOUR, linewidth=1.0, linestyle='--', label=f'mean {mean:.2f} {unit}')
    axes.plot([at.centre for at in bins], values, 'o-', color=colour, linewidth=1.5, markersize=5.0)
    axes.set_ylim(0.0, 1.2 * max(*values, mean, SMALLEST_ERROR))
    axes.legend(loc='lower right', labelcolor=TEXT_COLOUR, frameon=False)


def _dress(axes: Axes) -> None:
    axes.spines[['top', 'right']].set_visible(False)
    axes.spines[['bottom', 'left']].set_color(AXIS_COLOUR)
    axes.tick_params(color=AXIS_COLOUR, labelcolor=TEXT_COLOUR)
    axes.xaxis.label.set_color(TEXT_COLOUR)
    axes.yaxis.label.set_color(TEXT_COLOUR)
    axes.grid(color=GRID_COLOUR)
    axes.set_axisbelow(True)


def _seen_from_above(positions: FloatArray, lying: bool) -> FloatArray:
    """Positions (N, 3) in odom -> what goes right and what goes up on the page: (2, N)."""
    x, y = positions[:, 0], positions[:, 1]
    return np.stack((x, y) if lying else (-y, x))


def _extent(page: FloatArray) -> FloatArray:
    """Limits (2, 2) of the top view: a margin around the points (2, N), and neither side too narrow."""
    low, high = page.min(axis=1), page.max(axis=1)
    span = 1.08 * np.maximum(high - low, SMALLEST_SPAN_M)
    span = np.maximum(span, NARROWEST * span.max())
    centre = (low + high) / 2.0
    return np.stack((centre - span / 2.0, centre + span / 2.0), axis=1)


def _keep_span(axes: Axes) -> None:
    """Show at least SMALLEST_SPAN_M vertically, so that a level road looks level."""
    low, high = axes.get_ylim()
    if high - low < SMALLEST_SPAN_M:
        axes.set_ylim((low + high - SMALLEST_SPAN_M) / 2.0, (low + high + SMALLEST_SPAN_M) / 2.0)


def _figures(result: Result | None, estimate: Trajectory | None) -> str:
    if result is None:
        length_m = 0.0 if estimate is None else float(distances_along(estimate.poses)[-1])
        return f'no ground truth  ·  {length_m:.0f} m'
    parts = []
    if result.t_rel is not None and result.r_rel is not None:
        parts += [f't_rel {result.t_rel:.2f} %', f'r_rel {result.r_rel:.2f} deg/100 m']
    elif result.end_error_percent is not None:
        parts.append(f'end error {result.end_error_percent:.2f} %')
    return '  ·  '.join([*parts, f'ATE {result.ate_m:.2f} m', f'{result.length_m:.0f} m'])


def _head(axes: Axes, title: str, figures: str, above_axes_pt: float) -> None:
    """Title and, below it, a line of figures, flush with the left end of the axes."""
    axes.set_title(title, loc='left', pad=above_axes_pt + 18.0, fontsize=13.0, fontweight='bold')
    line = axes.annotate(
        figures, (0.0, 1.0), (0.0, above_axes_pt), 'axes fraction', 'offset points', fontsize=10.5, color=TEXT_COLOUR
    )
    line.set_in_layout(False)  # it may be wider than these axes; the title keeps its height free


def _save(figure: Figure, path: Path) -> None:
    FigureCanvasAgg(figure)
    with replacing(path) as temporary:
        figure.savefig(temporary, format='png')
