"""Training runs of a second each: a tiny network on two short prepared sequences of noise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from samples.prepared import write_prepared

pytest.importorskip('lightning', reason='training needs Lightning: pip install atvio_ros[train]')

from atvio_ros.training.checkpoint_files import LAST
from atvio_ros.training.quiet import quiet_lightning
from atvio_ros.training.settings import TrainSettings, settings_from

quiet_lightning()

WINDOWS: dict[str, Any] = {'name': 'windows', 'epochs': 1, 'batch_size': 4, 'validate_every_epochs': 100.0}
PAIRS: dict[str, Any] = {**WINDOWS, 'name': 'pairs', 'window': 2, 'batch_size': 8}  # an epoch: 5 steps
TINY: dict[str, Any] = {
    'variant': 'ca_a',
    'model': {
        'image_height_px': 32,
        'image_width_px': 64,
        'image_channels': 1,
        'visual_widths': [4, 4, 4, 8, 8],
        'lstm_hidden': 8,
        'attention_reduction': 4,
    },
    'data': {'validation_share': 0.4, 'description': 'noise'},
    'augmentation': {'mirror': True, 'frame_skips': [1, 2], 'brightness': 0.1, 'noise': 0.02},
    'stages': [WINDOWS],
    'workers': 0,
}


def two_sequences(folder: Path) -> Path:
    """A folder with two prepared sequences of 40 images, 'one' and 'two'."""
    for i, name in enumerate(('one', 'two')):
        write_prepared(folder / name, frames=40, seed=i)
    return folder


def recipe(folder: Path | str, **changes: Any) -> dict[str, Any]:
    """The tiny recipe on the sequences of a folder, as in YAML, with other settings."""
    return {**TINY, **changes, 'data': {**TINY['data'], 'folder': str(folder), **changes.get('data', {})}}


def settings(folder: Path, **changes: Any) -> TrainSettings:
    """The tiny recipe as settings."""
    return settings_from(recipe(folder, **changes))


def write_config(path: Path, folder: Path | str, **changes: Any) -> Path:
    """The tiny recipe as a file."""
    path.write_text(yaml.safe_dump(recipe(folder, **changes)))
    return path


def assert_same_weights(a: Path, b: Path) -> None:
    """Two runs ended with the same network and loss, bit for bit."""
    first, second = (torch.load(out / LAST, weights_only=True)['state_dict'] for out in (a, b))
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name
