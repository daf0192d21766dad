"""Pictures of trajectories and their errors, drawn without a display."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from atvio_ros.evaluation.metrics import Result, distances_along
from atvio_ros.evaluation.plot_style import (
    DPI,
    ESTIMATE_COLOUR,
    GRID_COLOUR,
    ROTATION_COLOUR,
    TEXT_COLOUR,
    TRUTH_COLOUR,
    WIDTH_IN,
    dress,
    figures_line,
    head,
    save,
)
from atvio_ros.evaluation.ways import RoadRow, Ways
from atvio_ros.types import FloatArray, Trajectory

ERROR_COLOURS = LinearSegmentedColormap.from_list('error', (ESTIMATE_COLOUR, '#e69f00', '#b2182b'))  # small to large

SMALLEST_SPAN_M = 2.0  # of the top view and of the height: standing still is a point, not noise blown up
SMALLEST_ERROR_M = 0.05  # that is drawn in the colour of large ones
SMALLEST_ANGLE_DEG = 1.0  # either side of a plot of directions, at least
NARROWEST = 0.35  # height to width of the top view, at least: a straight road stays a picture


def plot_trajectory(
    path: Path,
    estimate: Trajectory,
    truth: Trajectory | None,
    title: str,
    result: Result | None = None,
    errors: tuple[FloatArray, FloatArray] | None = None,
) -> None:
    """Write a PNG: estimate and ground truth from above, and their height over distance below.

    Both hold base_link in odom (x forward, y left, z up, metres). A long drive straight ahead is drawn left to right,
    any other with forward up. `errors`, poses (M, 4, 4) of the estimate and how far [m] each is from its true position
    (M,), colour the estimate. Raises FileError if the file cannot be written.
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
        dress(axes)
    for poses, label, colour, width in lines:
        above.plot(*_seen_from_above(poses[:, :3, 3], lying), color=colour, linewidth=width, label=label)
        above.plot(*_seen_from_above(poses[-1:, :3, 3], lying), 's', color=colour, markersize=5.0 + 0.5 * width)
        height.plot(distances_along(poses), poses[:, 2, 3], color=colour, linewidth=0.7 * width)
    if errors is not None and len(errors[0]) > 1:
        _colour_by_error(above, _seen_from_above(errors[0][:, :3, 3], lying), errors[1])
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
    head(above, title, figures_line(result, estimate), above_axes_pt=24.0)
    save(figure, path)


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
        dress(axes)
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
    head(above, title, 'direction of travel, sigma as a band; grey: not confident', above_axes_pt=8.0)
    save(figure, path)


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
        dress(axes)
        axes.plot(road.seconds, values, color=colour, linewidth=1.2)
        axes.set_ylabel(label)
    low, high = road.speed - road.sigma, road.speed + road.sigma
    speed.fill_between(road.seconds, low, high, color=ESTIMATE_COLOUR, alpha=0.25, linewidth=0.0)
    speed.set_ylim(min(0.0, 1.1 * road.speed.min()), 1.3 * max(1.0, road.speed.max()))  # not that of a first sigma
    reach = max(SMALLEST_ANGLE_DEG, float(np.abs(np.degrees(road.tilt)).max()))
    tilt.set_ylim(-1.1 * reach, 1.1 * reach)
    support.set_ylim(0.0, 105.0)
    support.set_xlabel('time [s]')
    head(speed, title, 'what the road showed; sigma as a band', above_axes_pt=8.0)
    save(figure, path)


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


def _colour_by_error(axes: Axes, page: FloatArray, error_m: FloatArray) -> None:
    """Draw the line of points (2, N) in the colours of their errors, with a bar that tells them."""
    steps = np.stack((page.T[:-1], page.T[1:]), axis=1)  # (N - 1, 2, 2)
    lines = LineCollection(list(steps), cmap=ERROR_COLOURS, linewidths=2.0, zorder=3, capstyle='round')
    lines.set_array(error_m[1:])
    lines.set_clim(0.0, max(float(error_m.max()), SMALLEST_ERROR_M))
    axes.add_collection(lines, autolim=False)
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    bar = figure.colorbar(lines, ax=axes, shrink=0.7, aspect=30.0, pad=0.01)
    bar.outline.set_visible(False)
    bar.set_label('position error [m]', color=TEXT_COLOUR)
    bar.ax.tick_params(color=GRID_COLOUR, labelcolor=TEXT_COLOUR)
