"""A film of a drive, as mp4 or animated webp: what the odometry saw, and below the growing trajectory and the speed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from atvio_ros.errors import FileError, TrajectoryError
from atvio_ros.evaluation.plot_style import DPI, ESTIMATE_COLOUR, TEXT_COLOUR, TRUTH_COLOUR, dress
from atvio_ros.evaluation.plots import ERROR_COLOURS, SMALLEST_ERROR_M
from atvio_ros.evaluation.view_data import View
from atvio_ros.evaluation.view_page import true_speed
from atvio_ros.files import replacing
from atvio_ros.types import FloatArray, ImageArray

KINDS = ('.mp4', '.webp')
WIDTH = 704  # px of a film; even, as mp4 needs it
CURVES_HEIGHT = 264
WEBP_QUALITY, WEBP_EFFORT = 45, 4
LAST_S = 1.5  # that the last picture of a webp stays before it begins again
LONGEST_S = 1.0  # that a picture stays, where the drive has a hole


def write_video(path: Path, view: View, on_frame: Callable[[], None] = lambda: None) -> None:
    """Write the film, in the time of the drive, one frame for each picture; `on_frame` is called for each.

    Raises TrajectoryError where the run left no pictures or another kind of file is asked for, FileError where the file
    cannot be written.
    """
    require_video(path)
    if not view.pictures:
        raise TrajectoryError(f'{view.name} has no pictures.zip, so there is nothing to film. Run the bag again.')
    times = np.array([t for t, _ in view.pictures])
    frames = _frames(view, on_frame)
    if path.suffix.lower() == '.webp':
        _write_webp(path, frames, times)
    else:
        _write_mp4(path, frames, times)


def require_video(path: Path) -> None:
    """Raises TrajectoryError where the name is not that of a film that can be written."""
    if path.suffix.lower() not in KINDS:
        raise TrajectoryError(f'{path} must end in {" or ".join(KINDS)}: these are the films that can be written.')


def _write_webp(path: Path, frames: Iterator[ImageArray], times: FloatArray) -> None:
    stays_s = np.append(np.clip(np.diff(times), 0.02, LONGEST_S), LAST_S)
    images = [Image.fromarray(np.ascontiguousarray(frame[..., ::-1])) for frame in frames]
    with replacing(path) as temporary:
        images[0].save(
            temporary,
            format='WEBP',
            save_all=True,
            append_images=images[1:],
            duration=[round(1000.0 * each) for each in stays_s],
            loop=0,
            quality=WEBP_QUALITY,
            method=WEBP_EFFORT,
        )


def _write_mp4(path: Path, frames: Iterator[ImageArray], times: FloatArray) -> None:
    """At a constant rate, that of the pictures' median; a frame is repeated while the next is not due."""
    period_s = float(np.median(np.diff(times))) if len(times) > 1 else 1.0
    first = next(frames)
    with replacing(path) as temporary:
        size = (first.shape[1], first.shape[0])
        writer = cv2.VideoWriter(str(temporary), cv2.VideoWriter_fourcc(*'mp4v'), 1.0 / period_s, size)  # type: ignore[attr-defined]
        try:
            if not writer.isOpened():
                raise FileError(f'{path} cannot be written: this OpenCV has no MPEG-4 encoder. Ask for .webp.')
            frame = first
            for i in range(len(times)):
                stays_s = min(times[i + 1] - times[i], LONGEST_S) if i + 1 < len(times) else period_s
                for _ in range(max(1, round(stays_s / period_s))):
                    writer.write(frame)
                frame = next(frames, frame)
        finally:
            writer.release()


def _frames(view: View, on_frame: Callable[[], None]) -> Iterator[ImageArray]:
    """The frames (H, W, 3) BGR of the film, one for each picture, all of one size."""
    curves = _Curves(view)
    size = None
    for t, jpeg in view.pictures:
        picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        if picture is None:
            raise TrajectoryError(f'{view.name}: a picture at {t:.2f} s cannot be decoded. Run the bag again.')
        if size is None:
            size = WIDTH, 2 * max(1, round(picture.shape[0] * WIDTH / picture.shape[1] / 2))
        seen = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        yield np.vstack((seen, curves.at(t)))
        on_frame()


class _Curves:
    """The lower part of the film: from above, and the speed over time, up to a moment."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._seconds = view.seconds
        position = view.timeline.poses[:, :3, 3]
        self._lying = bool(np.ptp(position[:, 0]) > 1.5 * np.ptp(position[:, 1]))
        self._line = self._on_page(position)
        figure = Figure(figsize=(WIDTH / DPI, CURVES_HEIGHT / DPI), dpi=DPI, layout='constrained')
        self._canvas = FigureCanvasAgg(figure)
        above, speed = figure.subplots(1, 2, gridspec_kw={'width_ratios': (1.25, 1.0)})
        for axes in (above, speed):
            dress(axes)
            axes.tick_params(labelsize=5.5)
        above.set_aspect('equal', adjustable='datalim')
        errors = view.errors()
        self._errors = None if errors is None else np.nan_to_num(errors[0])
        if view.truth is not None:
            above.plot(*self._on_page(view.truth[:, :3, 3]).T, color=TRUTH_COLOUR, linewidth=2.0, alpha=0.7)
            speed.plot(
                self._seconds, true_speed(self._seconds, view.truth), color=TRUTH_COLOUR, linewidth=1.6, alpha=0.7
            )
        above.plot(*self._line.T, alpha=0.0)  # for the limits
        above.set_xlabel('forward [m]' if self._lying else 'right [m]', fontsize=5.5)
        above.set_ylabel('left [m]' if self._lying else 'forward [m]', fontsize=5.5)
        speed.set_xlabel('time [s]', fontsize=5.5)
        speed.set_ylabel('speed [m/s]', fontsize=5.5)
        values = view.timeline.values['speed']
        top = float(np.nanmax(values)) if np.isfinite(values).any() else 1.0
        speed.set(
            xlim=(0.0, max(float(self._seconds[-1]), 1e-3)),
            ylim=(min(0.0, float(np.nanmin(values))), 1.25 * max(top, 0.5)),
        )
        worst = SMALLEST_ERROR_M if self._errors is None else max(float(self._errors.max()), SMALLEST_ERROR_M)
        self._way = above.scatter([], [], s=3.0, c=[], cmap=ERROR_COLOURS, vmin=0.0, vmax=worst, zorder=3)
        (self._now,) = above.plot([], [], 'o', color=ESTIMATE_COLOUR, markeredgecolor='white', markersize=5.0, zorder=4)
        (self._speed,) = speed.plot([], [], color=ESTIMATE_COLOUR, linewidth=1.2)
        self._above = above.set_title('', loc='left', fontsize=6.0, color=TEXT_COLOUR)
        self._beside = speed.set_title('', loc='left', fontsize=6.0, color=TEXT_COLOUR)

    def at(self, t: float) -> ImageArray:
        """The part (CURVES_HEIGHT, WIDTH, 3) BGR at t seconds."""
        row = int(np.clip(np.searchsorted(self._seconds, t + 1e-6) - 1, 0, len(self._seconds) - 1))
        values = self._view.timeline.values['speed']
        self._way.set_offsets(self._line[: row + 1])
        self._way.set_array(np.zeros(row + 1) if self._errors is None else self._errors[: row + 1])
        self._now.set_data(self._line[row : row + 1, 0], self._line[row : row + 1, 1])
        self._speed.set_data(self._seconds[: row + 1], values[: row + 1])
        way = f'{self._view.distance_m[row]:.0f} m driven'
        self._above.set_text(way if self._errors is None else f'{way}, {self._errors[row]:.2f} m off')
        self._beside.set_text(f'{t:.1f} s, {values[row]:.1f} m/s, {self._view.timeline.states[row]}')
        self._canvas.draw()  # type: ignore[no-untyped-call]
        rgba = np.asarray(self._canvas.buffer_rgba())  # type: ignore[no-untyped-call]
        return np.asarray(cv2.cvtColor(rgba, cv2.COLOR_RGBA2BGR), dtype=np.uint8)

    def _on_page(self, positions: FloatArray) -> FloatArray:
        """Positions (N, 3) in odom -> (N, 2): what goes right and what goes up."""
        x, y = positions[:, 0], positions[:, 1]
        return np.stack((x, y) if self._lying else (-y, x), axis=1)
