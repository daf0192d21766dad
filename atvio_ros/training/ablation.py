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
from atvio_ros.evaluation.paper import PAPER, PAPER_DATA
from atvio_ros.evaluation.report import results_as_dict, to_json
from atvio_ros.files import write_text
from atvio_ros.fleet import Fleet, Silent, Viewer, Watch, run_tasks
from atvio_ros.odometry.loading import load_network
from atvio_ros.training.callbacks import Progress
from atvio_ros.training.checkpoint_files import LAST
from atvio_ros.training.quiet import quiet_lightning
from atvio_ros.training.settings import TrainSettings, differences, load_settings, may_change, plain
from atvio_ros.training.train import Hardware, train
from atvio_ros.training.validation import figures_words

VALIDATION = 'the validation part of the training sequences (end error where too short for t_rel)'


@dataclass(frozen=True)
class Row:
    """One network: the averages over the test data, one for each seed."""

    variant: str
    t_rel: tuple[float, ...]  # %
    r_rel: tuple[float, ...]  # deg/100 m


@dataclass(frozen=True)
class Training:
    """One network to train and evaluate: a task of an ablation."""

    config: Path
    out: Path
    variant: str
    seed: int
    bags: tuple[Path, ...]
    changes: Mapping[str, Any]
    hardware: Hardware

    @property
    def folder(self) -> Path:
        """That of the run."""
        return self.out / self.variant / f'seed_{self.seed}'

    def settings(self) -> TrainSettings:
        """Those of the run. Raises SettingsError."""
        settings = load_settings(self.config, {**self.changes, 'variant': self.variant, 'seed': self.seed})
        if settings.initial_model:
            raise SettingsError('train.initial_model cannot start nine different networks. Leave it out.')
        return settings


def run_ablation(
    config: Path,
    out: Path,
    variants: Sequence[str],
    seeds: Sequence[int],
    bags: Sequence[Path] = (),
    changes: Mapping[str, Any] | None = None,
    hardware: Hardware | None = None,
    fleet: Fleet | None = None,
    viewer: Viewer | None = None,
) -> list[Row]:
    """Train and evaluate each network with each seed, in `out`/VARIANT/seed_N; what is done already is not repeated.

    Without bags the figures are those of the validation part. Raises SettingsError as training does, so too if `out`
    holds networks of another recipe; BagError; FleetError when some of several fail.
    """
    bag_names(bags)
    for bag in bags:
        if not bag.exists():
            raise BagError(f'There is no bag {bag}. Name files or folders that exist after --bags.')
    where = (changes or {}, hardware or Hardware())
    runs = [Training(config, out, name, seed, tuple(bags), *where) for name in variants for seed in seeds]
    for run in runs:
        run.settings()  # what they do not allow is told before the first is trained
    tasks = {f'{run.variant}, seed {run.seed}': run for run in runs}
    done = run_tasks(train_and_measure, tasks, fleet or Fleet(), viewer or Silent())
    done.check()
    figures = iter(done.results.values())
    rows = [(name, [next(figures) for _ in seeds]) for name in variants]
    return [Row(name, tuple(f['t_rel'] for f in each), tuple(f['r_rel'] for f in each)) for name, each in rows]


def train_and_measure(run: Training, watch: Watch) -> dict[str, Any]:
    """What ablation.json of one run holds; what is there of it is kept, a run that was stopped goes on."""
    names, settings, folder = bag_names(run.bags), run.settings(), run.folder
    data = [str(bag.resolve()) for bag in run.bags] or VALIDATION
    done = folder / 'ablation.json'
    stored = _stored(done, settings)
    if not stored:
        quiet_lightning()
        result = train(
            settings, folder, resume=(folder / LAST).exists(), hardware=run.hardware, show=_validations(watch)
        )
        if result.interrupted:
            raise KeyboardInterrupt
        # Where the held-out stretches are too short for t_rel: the end error, as VALIDATION says.
        found = result.figures
        validation = {
            't_rel': found.get('val/t_rel', found.get('val/end_error')),
            'r_rel': found.get('val/r_rel', found.get('val/end_rotation')),
        }
        stored = {'recipe': plain(settings), 'model': result.model.name, 'validation': validation}
    if stored.get('data') != data:
        model = folder / stored['model']
        measured = figures_on_bags(model, folder, names, run.bags) if run.bags else stored['validation']
        kept = {key: stored[key] for key in ('recipe', 'model', 'validation')}
        write_text(done, to_json({'data': data, **measured, **kept}))
    figures: dict[str, Any] = json.loads(done.read_text())
    return figures


def _validations(watch: Watch) -> Callable[[Progress], None]:
    """A note of each."""

    def show(progress: Progress) -> None:
        if progress.figures:
            watch.note(f'step {progress.step}/{progress.steps}, {figures_words(progress.figures)}')

    return show


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
