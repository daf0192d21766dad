"""What a trained model file says about itself, inside and in a text beside it."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from atvio_ros import __version__
from atvio_ros.network.checkpoint import ModelCard
from atvio_ros.network.config import AtvioConfig
from atvio_ros.network.lineage import ancestors, joined_licence, licence_lines
from atvio_ros.training.dataset import Split
from atvio_ros.training.settings import TrainSettings, to_yaml

FIGURE_NAMES = {
    'val/t_rel': 'validation t_rel %',
    'val/r_rel': 'validation r_rel deg/100 m',
    'val/end_error': 'validation end error % (too short for t_rel)',
    'val/end_rotation': 'validation end error deg/100 m',
    'val/length_m': 'validation length m',
    'val/loss': 'validation loss',
    'val/translation_mae_m': 'validation translation MAE m',
    'val/rotation_mae_deg': 'validation rotation MAE deg',
    'step': 'training steps',
    'file/t_rel': 'validation t_rel % of this file',
    'file/r_rel': 'validation r_rel deg/100 m of this file',
    'file/end_error': 'validation end error % of this file',
    'file/end_rotation': 'validation end error deg/100 m of this file',
    'file/length_m': 'validation length m of this file',
}

GYRO = ('gyro_lag_s', 'gyro_bias', 'R_camera_imu')  # what calibrate_gyro fits
SCALES = ('motion_std', 'imu_mean', 'imu_std')  # what normalise computes


def make_card(
    settings: TrainSettings,
    split: Split,
    figures: Mapping[str, float],
    config: AtvioConfig,
    notes: Sequence[str] = (),
) -> ModelCard:
    """The card of a model trained with these settings on these data; `figures` by the names they are logged under.

    `config` is that of the network; where it began from a model file, the recipe names it and not the default.
    """
    parents = ancestors(Path(settings.initial_model)) if settings.initial_model else ()
    if parents:
        settings = dataclasses.replace(settings, variant=config.name, model=config)
    return ModelCard(
        trained=True,
        training_data='; '.join(filter(None, (settings.data.description, _data_line(split)))),
        recipe=to_yaml(settings),
        seed=settings.seed,
        commit=source_commit(),
        figures=tuple((FIGURE_NAMES.get(name, name), float(value)) for name, value in figures.items()),
        licence=joined_licence(settings.data.licence, parents),
        parents=parents,
        notes=tuple(notes),
    )


def card_text(config: AtvioConfig, card: ModelCard, split: Split, curves: str = '') -> str:
    """The card as Markdown; `curves` is the name of a picture of the learning curves beside it."""
    rows = [
        f'| {pairs.name} | {pairs.sequence.meta.source} | {int(train.sum())} | {int(held.sum())} '
        f'| {pairs.sequence.meta.length_m:.0f} | {len(pairs.sequence.meta.excluded)} '
        f'| `{pairs.sequence.meta.content_sha256[:12]}` |'
        for pairs, train, held in zip(split.sequences, split.training, split.validation, strict=True)
    ]
    figures = [f'| {name} | {value:.6g} |' for name, value in card.figures]
    fitted = [f'| `{name}` | {_numbers(getattr(config, name))} |' for name in _fitted(card)]
    kept = [name for name in (*GYRO, *SCALES) if name not in _fitted(card)]
    lines = [
        f'# {config.name}',
        '',
        'Visual-inertial odometry network of the ATVIO paper (Liu, Li, Li, ICASSP 2021), trained with '
        f'atvio_ros {__version__}, commit {card.commit or "unknown"}, seed {card.seed}.',
        '',
        *licence_lines(card),
        *notes_lines(card),
        '## Figures',
        '',
        'Measured on the validation images below, which chose the checkpoint; not a test.'
        if any(name.startswith('validation') for name, _ in card.figures)
        else 'Nothing was measured: the model was exported before any validation.',
        '',
        *([f'![Learning curves]({curves})', ''] if curves else []),
        '| figure | value |',
        '|---|---|',
        *figures,
        '',
        '## Data',
        '',
        card.training_data,
        '',
        '| sequence | source | training images | validation images | length m | exclusions | SHA-256 of images |',
        '|---|---|---|---|---|---|---|',
        *rows,
        '',
        '## Fitted to the data',
        '',
        'What the model file holds; it takes the place of what the recipe below says under `model`.',
        f'Not fitted, but as they were before: {", ".join(kept) or "none"}.',
        '',
        *(['| setting | value |', '|---|---|', *fitted, ''] if fitted else []),
        '## Error model',
        '',
        f'Of its covariances, fitted to {card.noise.fitted_to or "nothing (too little data): the defaults"}. '
        '`atvio calibrate-covariance` fits it to other data.',
        '',
        '| part | x, y, z |',
        '|---|---|',
        *(f'| `{name}` | {_numbers(value)} |' for name, value in vars(card.noise).items() if name != 'fitted_to'),
        '',
        '## Recipe',
        '',
        '```yaml',
        card.recipe.rstrip(),
        '```',
        '',
    ]
    return '\n'.join(lines)


def notes_lines(card: ModelCard) -> list[str]:
    """The section of a card about what a user should know, in Markdown; nothing where there is nothing."""
    return ['## Take note', '', *(f'- {note}' for note in card.notes), ''] if card.notes else []


def _fitted(card: ModelCard) -> tuple[str, ...]:
    """What the run fitted to its data, by its recipe: a network that began from a model file keeps its scales."""
    recipe = yaml.safe_load(card.recipe)
    return (*(GYRO if recipe['calibrate_gyro'] else ()), *(SCALES if recipe['normalise'] and not card.parents else ()))


def source_commit() -> str:
    """Commit of the source tree this package runs from, `-modified` if files differ from it; '' outside of git."""
    folder = Path(__file__).parent
    if _git(folder, 'ls-files', '--error-unmatch', Path(__file__).name) is None:
        return ''  # installed somewhere inside another repository
    modified = '-modified' if _git(folder, 'status', '--porcelain', '--untracked-files=no', '..') else ''
    return (_git(folder, 'rev-parse', 'HEAD') or '')[:12] + modified


def _numbers(values: Any) -> str:
    """A number, a vector or a matrix (by rows) to six digits."""
    return ', '.join(f'{value:.6g}' for value in np.ravel(values))


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(['git', '-C', str(folder), *words], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _data_line(split: Split) -> str:
    names = ', '.join(f'{pairs.name} ({pairs.sequence.meta.source})' for pairs in split.sequences)
    return f'sequences {names}'
