"""The page of a drive: one HTML file that holds all it shows, drawn in the browser by uPlot; no server, no network."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from atvio_ros.evaluation.view_data import View, read_view
from atvio_ros.files import write_text
from atvio_ros.types import FloatArray

PAGE = 'view.html'
ASSETS = Path(__file__).parent / 'page'
SCRIPTS = ('uPlot.iife.min.js', 'parts.js', 'map.js', 'panels.js', 'page.js')
DIGITS = 5  # of numbers on the page


def write_page(folder: Path, to: Path | None = None) -> Path:
    """Make the page of a run's folder, as `view.html` in it or elsewhere. Raises TrajectoryError, FileError."""
    path = to or folder / PAGE
    write_text(path, page(read_view(folder)))
    return path


def page(view: View) -> str:
    """The HTML of a drive."""
    return fill('view.html', view.name, SCRIPTS, content(view))


def fill(template: str, title: str, scripts: Sequence[str], data: Mapping[str, Any]) -> str:
    """A template of `page/` with its style, scripts and data in place of their marks. Text is data, never markup."""
    script = '\n'.join(_asset(name) for name in scripts)
    parts = {
        'TITLE': _escaped(title),
        'STYLE': _asset('uPlot.min.css') + _asset('page.css'),
        'DATA': json.dumps(data, allow_nan=False, separators=(',', ':')).replace('<', '\\u003c'),
        'SCRIPT': script.replace('</script', '<\\/script'),
    }
    return re.sub('@@([A-Z]+)@@', lambda mark: parts[mark[1]], _asset(template))  # what is put in is not searched


def content(view: View) -> dict[str, Any]:
    """What the page gets as JSON; numbers that are not known are null."""
    timeline, figures, notes = view.timeline, view.figures, view.notes
    position = timeline.poses[:, :3, 3]
    errors, truth = view.errors(), view.truth
    values = {name: _numbers(column) for name, column in timeline.values.items() if np.isfinite(column).any()}
    if errors is not None:
        values |= {'error': _numbers(errors[0]), 'rotation_error': _numbers(np.degrees(errors[1]))}
    true = None
    if truth is not None:
        true = {axis: _numbers(truth[:, i, 3]) for i, axis in enumerate('xyz')}
        true['speed'] = _numbers(true_speed(view.seconds, truth))
    return {
        'name': view.name,
        'model': str(notes.get('model', '')),
        't': _numbers(view.seconds),
        'distance': _numbers(view.distance_m),
        **{axis: _numbers(position[:, i]) for i, axis in enumerate('xyz')},
        'truth': true,
        'values': values,
        'states': _runs(timeline.states),
        'messages': _runs(timeline.messages),
        'pictures': [[round(t, 3), _jpeg_uri(jpeg)] for t, jpeg in view.pictures],
        'figures': _figures(figures),
        'lengths': [*(figures.get('short') or ()), *(figures.get('by_length') or ())],
        'counts': _counts(notes),
        'made': _made(view),
    }


def true_speed(seconds: FloatArray, truth: FloatArray) -> FloatArray:
    """Speed [m/s] (N,) of true poses (N, 4, 4) over the steps around each row; NaN beside what is not known."""
    step_m = np.linalg.norm(np.diff(truth[:, :3, 3], axis=0), axis=1)
    speed = step_m / np.maximum(np.diff(seconds), 1e-9)
    return np.concatenate((speed[:1], speed)) if len(speed) else np.full(len(truth), np.nan)


def _figures(figures: Mapping[str, Any]) -> list[list[str]]:
    """[name, value with unit, what it means] of the head of the page."""
    baseline = figures.get('constant_speed') or {}
    rows: list[tuple[str, Any, str, str]] = [
        ('t_rel', figures.get('t_rel'), '%', "KITTI's error of the way, over 100 to 800 m"),
        ('at mean speed', baseline.get('t_rel'), '%', 'baseline: t_rel with the true mean speed, measuring none'),
        ('r_rel', figures.get('r_rel'), 'deg/100 m', "KITTI's error of the rotation"),
    ]
    if figures.get('t_rel') is None:
        for kind, bins in (('', figures.get('short')), ('at mean speed, ', baseline.get('short'))):
            rows += [(f'{kind}{at["centre"]:.0f} m', at['t_rel'], '%', 'error over so long a way') for at in bins or ()]
    rows += [
        ('end', figures.get('end_error_percent'), '%', 'error of the last pose, of the length'),
        ('ATE', figures.get('ate_m'), 'm', 'root mean square error of the position'),
        ('length', figures.get('length_m'), 'm', 'of the way'),
    ]
    return [[name, f'{value:.2f} {unit}', meaning] for name, value, unit, meaning in rows if value is not None]


def _counts(notes: Mapping[str, Any]) -> list[list[str]]:
    rows = [('images received', notes.get('images_received')), ('IMU readings received', notes.get('imu_received'))]
    dropped = notes.get('dropped')
    rows += [(f'without odometry: {reason}', count) for reason, count in dict(dropped or {}).items()]
    return [[name, str(count)] for name, count in rows if count is not None]


def _made(view: View) -> list[list[str]]:
    """What made it, a row each."""
    notes = view.notes
    rig = dict(notes.get('rig') or {})
    sources = dict(rig.pop('sources', None) or {})
    rows = {
        'bag': notes.get('bag'),
        'estimator': notes.get('estimator'),
        'model': notes.get('model'),
        'trained': notes.get('trained'),
        'atvio_ros': notes.get('atvio_ros'),
        **{name: f'{value} (from {sources.get(name, "the default")})' for name, value in rig.items()},
        'estimates': f'{len(view.timeline)} shown' + (f', {view.left_out} left out' if view.left_out else ''),
    }
    return [[name, str(value)] for name, value in rows.items() if value is not None]


def _runs(words: Sequence[str]) -> list[list[Any]]:
    """[first row, word] of each stretch of equal words."""
    return [[i, word] for i, word in enumerate(words) if i == 0 or word != words[i - 1]]


def _numbers(values: FloatArray) -> list[float | None]:
    return [float(f'{value:.{DIGITS + 1}g}') if np.isfinite(value) else None for value in values]


def _jpeg_uri(jpeg: bytes) -> str:
    return 'data:image/jpeg;base64,' + base64.b64encode(jpeg).decode('ascii')


def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding='utf-8')


def _escaped(text: str) -> str:
    return text.replace('&', '&amp;').replace('<', '&lt;').replace('>', '&gt;')
