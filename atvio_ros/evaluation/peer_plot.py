"""The picture of `atvio benchmark --peers`: what a frame costs each of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from atvio_ros.evaluation.plot_style import (
    AXIS_COLOUR,
    DPI,
    ESTIMATE_COLOUR,
    ROTATION_COLOUR,
    TEXT_COLOUR,
    TRUTH_COLOUR,
    WIDTH_IN,
    dress,
    head,
    save,
)

BAR_IN = 0.36  # height of a row
COLOURS = (ESTIMATE_COLOUR, TRUTH_COLOUR, ROTATION_COLOUR)  # of kinds, in the order in which they come


class PeerCost(NamedTuple):
    """One bar."""

    name: str
    kind: str  # what its time covers
    cpu_ms: float  # a frame


def plot_peers(path: Path, rows: Sequence[PeerCost], title: str) -> None:
    """Write a PNG: processor time of a frame as bars, the cheapest above, with a colour for each kind.

    Bars of different kinds cover different work, so each kind is named. Raises FileError.
    """
    ordered = sorted(rows, key=lambda row: row.cpu_ms, reverse=True)
    kinds = list(dict.fromkeys(row.kind for row in rows))
    colours = {kind: COLOURS[i % len(COLOURS)] for i, kind in enumerate(kinds)}
    figure = Figure(figsize=(WIDTH_IN, 1.4 + BAR_IN * len(rows)), dpi=DPI, layout='constrained')
    axes = figure.subplots()
    dress(axes)
    bars = axes.barh(
        [row.name for row in ordered],
        [row.cpu_ms for row in ordered],
        color=[colours[row.kind] for row in ordered],
        height=0.65,
    )
    axes.set_yticks(range(len(ordered)), [row.name for row in ordered])
    axes.bar_label(bars, fmt='%.1f', padding=4, color=TEXT_COLOUR)
    axes.grid(visible=False, axis='y')
    axes.spines['left'].set_color(AXIS_COLOUR)
    axes.set_xlim(0.0, 1.12 * max(row.cpu_ms for row in ordered))
    axes.set_xlabel('processor time of a frame [ms], one thread')
    handles = [Patch(color=colour, label=kind) for kind, colour in colours.items()]
    axes.legend(handles=handles, loc='upper right', frameon=False, labelcolor=TEXT_COLOUR)
    head(axes, title, 'less is better', above_axes_pt=8.0)
    save(figure, path)
