"""The paper's Table 2: its nine networks trained with one recipe over several seeds, and evaluated alike."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from atvio_ros.errors import BagError, SettingsError
from atvio_ros.evaluation.bags import bag_names, evaluate_bag
from atvio_ros.evaluation.report import results_as_dict, to_json
from atvio_ros.files import write_text
from atvio_ros.odometry.loading import load_network
from atvio_ros.training.callbacks import Progress
from atvio_ros.training.checkpoint_files import LAST
from atvio_ros.training.settings import TrainSettings, differences, load_settings, may_change, plain
from atvio_ros.training.train import Hardware, train

PAPER_DATA = 'KITTI 05, 07 and 10'
VALIDATION = 'the validation part of the training sequences'

# Table 2 of the paper: t_rel [%] and r_rel [deg/100 m] on 05, 07, 10, and the averages it prints.
PAPER: dict[str, tuple[tuple[float, float], ...]] = {
    'sf_soft': ((4.65, 1.83), (4.36, 2.19), (8.35, 2.01), (5.78, 2.01)),
    'sf_hard': ((4.25, 1.67), (4.46, 2.17), (5.81, 1.55), (4.84, 1.80)),
    'vonas_a': ((5.92, 2.66), (5.00, 3.16), (6.16, 3.19), (5.70, 3.00)),
    'ca_a': ((4.93, 2.40), (3.78, 2.59), (5.71, 2.96), (4.80, 2.65)),
    'direct_cat': ((4.20, 1.74), (5.32, 3.17), (8.25, 4.19), (5.92, 3.03)),
    'lstm_vonas': ((5.44, 2.24), (4.30, 3.19), (6.08, 2.92), (5.27, 2.78)),
    'ca_b': ((4.32, 1.87), (4.36, 2.86), (7.03, 3.54), (5.24, 2.76)),
    'ca_c': ((4.48, 1.74), (6.15, 3.37), (6.79, 2.39), (5.81, 2.50)),
    'ca_d': ((5.13, 2.34), (4.08, 2.57), (6.62, 3.49), (5.28, 2.80)),
}


@dataclass(frozen=True)
class Row:
    """One network: the averages over the test data, one for each seed."""

    variant: str
    t_rel: tuple[float, ...]  # %
    r_rel: tuple[float, ...]  # deg/100 m


def run_ablation(
    config: Path,
    out: Path,
    variants: Sequence[str],
    seeds: Sequence[int],
    bags: Sequence[Path] = (),
    changes: Mapping[str, Any] | None = None,
    hardware: Hardware | None = None,
    show: Callable[[str, Progress], None] = lambda run, progress: None,
) -> list[Row]:
    """Train and evaluate each network with each seed, in `out`/VARIANT/seed_N; what is done already is not repeated.

    Without bags the figures are those of the validation part. Raises SettingsError as training does, so too if `out`
    holds networks of another recipe; BagError.
    """
    names = bag_names(bags)
    for bag in bags:
        if not bag.exists():
            raise BagError(f'There is no bag {bag}. Name files or folders that exist after --bags.')
    data = [str(bag.resolve()) for bag in bags] or VALIDATION
    rows = []
    for name in variants:
        figures = []
        for seed in seeds:
            settings = load_settings(config, {**(changes or {}), 'variant': name, 'seed': seed})
            if settings.initial_model:
                raise SettingsError('train.initial_model cannot start nine different networks. Leave it out.')
            folder = out / name / f'seed_{seed}'
            done = folder / 'ablation.json'
            stored = _stored(done, settings)
            if not stored:
                result = train(
                    settings,
                    folder,
                    resume=(folder / LAST).exists(),
                    hardware=hardware,
                    show=lambda progress, run=f'{name}, seed {seed}': show(run, progress),  # type: ignore[misc]
                )
                if result.interrupted:
                    raise KeyboardInterrupt
                validation = {'t_rel': result.figures['val/t_rel'], 'r_rel': result.figures['val/r_rel']}
                stored = {'recipe': plain(settings), 'model': result.model.name, 'validation': validation}
            if stored.get('data') != data:
                measured = (
                    figures_on_bags(folder / stored['model'], folder, names, bags) if bags else stored['validation']
                )
                kept = {key: stored[key] for key in ('recipe', 'model', 'validation')}
                write_text(done, to_json({'data': data, **measured, **kept}))
            figures.append(json.loads(done.read_text()))
        rows.append(Row(name, tuple(f['t_rel'] for f in figures), tuple(f['r_rel'] for f in figures)))
    return rows


def ablation_table(rows: Sequence[Row], data: str) -> Table:
    """Mean and spread (standard deviation over the seeds) beside the paper's averages."""
    table = Table(
        title=f'here: {data}, mean ± spread over seeds; paper: {PAPER_DATA}. Different data cannot be compared.'
    )
    for heading in ('network', 't_rel %', 'r_rel °/100 m', 'seeds', 'paper t_rel %', 'paper r_rel °/100 m'):
        table.add_column(heading, justify='left' if heading == 'network' else 'right')
    for row in rows:
        paper = [f'{figure:.2f}' for figure in PAPER[row.variant][-1]] if row.variant in PAPER else ['-', '-']
        table.add_row(row.variant, _spread(row.t_rel), _spread(row.r_rel), str(len(row.t_rel)), *paper)
    return table


def rows_as_dict(rows: Sequence[Row], data: str) -> dict[str, Any]:
    """What ablation.json holds."""
    return {
        'data': data,
        'paper_data': PAPER_DATA,
        'rows': [
            {
                'variant': row.variant,
                't_rel': row.t_rel,
                'r_rel': row.r_rel,
                't_rel_mean': float(np.mean(row.t_rel)),
                'r_rel_mean': float(np.mean(row.r_rel)),
                'paper_t_rel': PAPER[row.variant][-1][0] if row.variant in PAPER else None,
                'paper_r_rel': PAPER[row.variant][-1][1] if row.variant in PAPER else None,
            }
            for row in rows
        ],
    }


def _stored(done: Path, settings: TrainSettings) -> dict[str, Any]:
    """What an earlier call left of a network of this recipe; empty if nothing, or of another recipe."""
    if not done.is_file():
        return {}
    stored: dict[str, Any] = json.loads(done.read_text())
    changed = differences(stored.get('recipe', {}), plain(settings))
    same = all(may_change(name) and not name.startswith('train.export') for name in changed)
    return stored if same else {}


def figures_on_bags(model: Path, folder: Path, names: Sequence[str], bags: Sequence[Path]) -> dict[str, Any]:
    """Evaluate a model on bags, in folders of their names: what result.json holds, and the averages of t_rel and r_rel.

    Raises SettingsError if a bag has too little ground truth.
    """
    estimator = load_network(model)
    results = {}
    for name, bag in zip(names, bags, strict=True):
        result = evaluate_bag(bag, folder / name, estimator)
        if result is None or result.t_rel is None:
            raise SettingsError(f'{bag} cannot be tested on: it needs ground truth over more than 100 m.')
        results[name] = result
    whole = results_as_dict(results)
    return {**whole, 't_rel': whole['average']['t_rel'], 'r_rel': whole['average']['r_rel']}


def _spread(values: Sequence[float]) -> str:
    spread = f' ± {np.std(values, ddof=1):.2f}' if len(values) > 1 else ''
    return f'{np.mean(values):.2f}{spread}'
