"""The page of several drives: their figures in one table, links to their pages, and the paper's table beside it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from atvio_ros.evaluation.metrics import Result, average
from atvio_ros.evaluation.paper import PAPER, PAPER_DATA
from atvio_ros.evaluation.several import PICTURE
from atvio_ros.evaluation.view_page import PAGE, fill
from atvio_ros.files import write_text

INDEX = 'index.html'
NOTE = (
    'Every figure of the drives is of the bag that its row names. The table of the paper is what the paper reports of '
    f'its networks on {PAPER_DATA}: other drives, so the two show how large such figures are and not which is better. '
    'At mean speed is a baseline that measures no speed: the estimate\u2019s turns at the true mean speed.'
)
HEAD = ['drive', 't_rel %', 'at mean speed %', 'r_rel \u00b0/100 m', '10 m %', '50 m %', 'ATE m', 'length m', 'frames']


def write_index(out: Path, names: Sequence[str], results: Mapping[str, Result], made_by: Mapping[str, Any]) -> Path:
    """Make `index.html` beside the folders of the drives `names`. Raises FileError.

    Drives without ground truth have no result, and a row without figures.
    """
    rows = [_row(name, results.get(name)) for name in names]
    if len(results) > 1:
        means = average(results.values())
        values = [means['t_rel'], None, means['r_rel'], None, None, means['ate_m']]
        rows.append(['average', *map(_number, values), f'{means["length_m"]:.1f}', f'{means["frames"]:.0f}'])
    picture = out / PICTURE
    data = {
        'title': f'{len(names)} drives, {made_by.get("model", "")}' if len(names) > 1 else names[0],
        'head': HEAD,
        'rows': rows,
        'links': [f'{quote(name)}/{PAGE}' for name in names],
        'note': NOTE,
        'paper': [[name, *(f'{value:.2f}' for value in table[-1])] for name, table in PAPER.items()],
        'picture': f'data:image/png;base64,{base64.b64encode(picture.read_bytes()).decode("ascii")}'
        if len(results) > 1 and picture.is_file()
        else None,
        'made': [[key, str(value)] for key, value in made_by.items()],
    }
    write_text(out / INDEX, fill('index.html', str(data['title']), ('parts.js', 'index.js'), data))
    return out / INDEX


def _row(name: str, result: Result | None) -> list[str]:
    if result is None:
        return [name, *['-'] * (len(HEAD) - 1)]
    over = {at.centre: at.t_rel for at in result.short}
    beside = (result.constant_speed or {}).get('t_rel')
    values = [result.t_rel, beside, result.r_rel, over.get(10.0), over.get(50.0), result.ate_m]
    return [name, *map(_number, values), f'{result.length_m:.1f}', str(result.frames)]


def _number(value: float | None) -> str:
    return '-' if value is None else f'{value:.2f}'
