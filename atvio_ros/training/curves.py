"""The learning curves of a run as a picture: loss and validation over the steps, stage by stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from atvio_ros.files import replacing

CURVES = 'curves.png'


@dataclass(frozen=True)
class Point:
    """One validation."""

    step: int  # of the whole run
    stage: str
    loss: float  # of training, lately
    figure: float  # of validation, that which chooses the weights
    figure_name: str


def points_from(rows: Sequence[Mapping[str, object]]) -> list[Point]:
    """Points as a checkpoint keeps them (`vars` of each)."""
    return [Point(**row) for row in rows]  # type: ignore[arg-type]


def draw_curves(path: Path, points: Sequence[Point], title: str) -> bool:
    """Write the picture; False, and none is written, where nothing was validated. Raises FileError."""
    if not points:
        return False
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 5.0), layout='constrained')
    above, below = figure.subplots(2, 1, sharex=True)
    stages = list(dict.fromkeys(point.stage for point in points))
    for k, stage in enumerate(stages):
        own = [point for point in points if point.stage == stage]
        steps = [point.step for point in own]
        above.plot(steps, [point.loss for point in own], 'o-', color=f'C{k}', markersize=3, label=stage)
        below.plot(steps, [point.figure for point in own], 'o-', color=f'C{k}', markersize=3)
        best = min(own, key=lambda point: point.figure)
        below.plot([best.step], [best.figure], '*', color=f'C{k}', markersize=12)
    above.set_ylabel('training loss')
    above.legend(title='stage', fontsize='small')
    below.set_ylabel(f'validation: {points[-1].figure_name}')
    below.set_xlabel('step; a star is the best of its stage')
    for axes in (above, below):
        axes.grid(alpha=0.3)
    above.set_title(title, fontsize='medium')
    FigureCanvasAgg(figure)
    with replacing(path) as draft:
        figure.savefig(draft, format='png', dpi=100)
    return True
