"""How our pictures look: colours, axes, the line of figures under a title; all are drawn without a display."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from atvio_ros.evaluation.metrics import Result, distances_along
from atvio_ros.files import replacing
from atvio_ros.types import Trajectory

TRUTH_COLOUR = '#8a8f98'
ESTIMATE_COLOUR = '#0072b2'  # from Okabe and Ito's palette: distinct to colour-blind readers too
ROTATION_COLOUR = '#d55e00'
TEXT_COLOUR = '#4a4f57'
AXIS_COLOUR = '#b8bcc4'
GRID_COLOUR = '#e6e8eb'
DPI = 150
WIDTH_IN = 8.0
MOST_TICKS = 6  # of an axis; half of the time of a plot goes into their labels


def dress(axes: Axes) -> None:
    """Light axes, open above and at the right."""
    axes.spines[['top', 'right']].set_visible(False)
    axes.spines[['bottom', 'left']].set_color(AXIS_COLOUR)
    axes.tick_params(color=AXIS_COLOUR, labelcolor=TEXT_COLOUR)
    axes.xaxis.label.set_color(TEXT_COLOUR)
    axes.yaxis.label.set_color(TEXT_COLOUR)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(MOST_TICKS, steps=(1, 2, 2.5, 5, 10)))
    axes.grid(color=GRID_COLOUR)
    axes.set_axisbelow(True)


def figures_line(result: Result | None, estimate: Trajectory | None) -> str:
    """What goes below a title: the figures of a result, with the baseline's; the length alone without truth."""
    if result is None:
        length_m = 0.0 if estimate is None else float(distances_along(estimate.poses)[-1])
        return f'no ground truth  ·  {length_m:.0f} m'
    parts = []
    if result.t_rel is not None and result.r_rel is not None:
        parts += [f't_rel {result.t_rel:.2f} %{_beside(result, "t_rel")}', f'r_rel {result.r_rel:.2f} deg/100 m']
    elif result.short:
        parts += [f'{at.t_rel:.2f} % over {at.centre:.0f} m' for at in result.short]
        baseline = (result.constant_speed or {}).get('short') or ()
        parts[-1] += ''.join(f' (constant speed: {at["t_rel"]:.2f} %)' for at in baseline[-1:])
    elif result.end_error_percent is not None:
        parts.append(f'end error {result.end_error_percent:.2f} %{_beside(result, "end_error_percent")}')
    return '  ·  '.join([*parts, f'ATE {result.ate_m:.2f} m', f'{result.length_m:.0f} m'])


def _beside(result: Result, figure: str) -> str:
    """The same figure of the baseline."""
    value = (result.constant_speed or {}).get(figure)
    return '' if value is None else f' (constant speed: {value:.2f} %)'


def head(axes: Axes, title: str, figures: str, above_axes_pt: float) -> None:
    """Title and, below it, a line of figures, flush with the left end of the axes."""
    axes.set_title(title, loc='left', pad=above_axes_pt + 18.0, fontsize=13.0, fontweight='bold')
    line = axes.annotate(
        figures, (0.0, 1.0), (0.0, above_axes_pt), 'axes fraction', 'offset points', fontsize=10.5, color=TEXT_COLOUR
    )
    line.set_in_layout(False)  # it may be wider than these axes; the title keeps its height free


def save(figure: Figure, path: Path) -> None:
    """Write the figure as PNG, whole or not at all. Raises FileError."""
    canvas = FigureCanvasAgg(figure)
    _lay_out(figure)
    with replacing(path) as temporary:
        canvas.print_png(temporary)  # type: ignore[no-untyped-call]


def _lay_out(figure: Figure) -> None:
    """Place the axes here, once: while a figure is written, all of it would be drawn for that, and then again."""
    with suppress(AttributeError):  # matplotlib before 3.6 has no such engines
        layout = figure.get_layout_engine()
        if layout is not None:
            layout.execute(figure)
            figure.set_layout_engine('none')
