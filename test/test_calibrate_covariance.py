"""The error model travels in the model file; one command fits it anew and touches nothing else of the file."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from samples.command_line import strict_json
from samples.prepared import write_prepared

from atvio_ros.cli.main import main
from atvio_ros.errors import ModelError
from atvio_ros.motion_noise import MotionNoise
from atvio_ros.network.atvio import Atvio
from atvio_ros.network.checkpoint import ModelCard, load_model, model_hash, save_model
from atvio_ros.network.config import AtvioConfig
from atvio_ros.odometry.loading import load_network

FITTED = MotionNoise(scale=(0.03, 0.01, 0.01), drift=(0.0, 0.0, 1e-4), fitted_to='two drives')


@pytest.fixture
def model_file(tmp_path) -> Path:
    torch.manual_seed(0)
    config = AtvioConfig(
        image_height_px=32, image_width_px=64, image_channels=1, visual_widths=(4, 4, 4, 8, 8), lstm_hidden=8
    )
    save_model(tmp_path / 'model.safetensors', Atvio(config), ModelCard(trained=True, noise=FITTED), half=True)
    return tmp_path / 'model.safetensors'


@pytest.fixture
def drives(tmp_path) -> Path:
    for k in range(3):
        write_prepared(tmp_path / 'data' / str(k), frames=60, seed=k)
    return tmp_path / 'data'


def rewrite_card(path: Path, change) -> None:
    with safe_open(path, framework='pt') as file:
        metadata = file.metadata()
    card = json.loads(metadata['card'])
    change(card)
    save_file(load_file(path), path, {**metadata, 'card': json.dumps(card)})


def test_the_error_model_comes_back_from_the_file_and_reaches_the_estimator(model_file):
    assert load_model(model_file)[1].noise == FITTED
    assert load_network(model_file, 'cpu').noise == FITTED


def test_a_file_from_before_there_was_one_loads_with_the_default_which_is_not_calibrated(model_file):
    rewrite_card(model_file, lambda card: card.pop('noise'))
    noise = load_model(model_file)[1].noise
    assert noise == MotionNoise()
    assert not noise.calibrated


@pytest.mark.parametrize(
    'bad',
    [
        {'scale': [-0.1, 0.0, 0.0]},
        {'scale': [0.1]},
        {'translation_floor_m': [0.0, 0.0, 0.0]},
        {'drift': [float('nan')] * 3},
        {'scal': [0.1] * 3},
        [],
    ],
)
def test_an_error_model_that_makes_no_sense_is_refused(model_file, bad):
    rewrite_card(model_file, lambda card: card.update(noise=bad))
    with pytest.raises(ModelError, match=r'card\.noise'):
        load_model(model_file)


def test_calibrating_writes_the_fit_and_says_to_what_and_keeps_weights_and_card(model_file, drives, capsys):
    before, card = load_model(model_file)
    tensors = load_file(model_file)
    assert main(['calibrate-covariance', '--model', str(model_file), str(drives), '--device', 'cpu']) == 0
    after, new_card = load_model(model_file)
    assert model_hash(after) == model_hash(before)
    assert {name: tensor.dtype for name, tensor in load_file(model_file).items()} == {
        name: tensor.dtype for name, tensor in tensors.items()
    }
    assert new_card.noise.fitted_to == '177 frame pairs of data'
    assert new_card.noise != FITTED
    assert dataclasses.replace(new_card, noise=FITTED, notes=()) == card
    printed = capsys.readouterr()
    assert printed.out.strip().startswith(f'Wrote {model_file}')
    assert 'NOTE: Covariances are fitted to only 18 s' in printed.err
    assert any('only 18 s' in note for note in new_card.notes)
    assert [path.name for path in model_file.parent.iterdir() if path.name.startswith('.')] == []


def test_calibrating_prints_the_error_model_as_json_too(model_file, drives, capsys):
    assert main(['calibrate-covariance', '--model', str(model_file), str(drives), '--device', 'cpu', '--json']) == 0
    result = strict_json(capsys.readouterr().out)
    assert (result['model'], result['frame_pairs']) == (str(model_file), 177)
    assert result['noise'] == json.loads(json.dumps(dataclasses.asdict(load_model(model_file)[1].noise)))
    assert result['consistency'] == []  # prepared data, no bag


def test_calibrating_into_another_file_leaves_the_first_alone(model_file, drives):
    before, out = model_file.read_bytes(), model_file.parent / 'other.safetensors'
    assert (
        main(
            [
                'calibrate-covariance',
                '--model',
                str(model_file),
                str(drives / '0'),
                str(drives / '1'),
                '--out',
                str(out),
            ]
        )
        == 0
    )
    assert model_file.read_bytes() == before
    assert load_model(out)[1].noise.fitted_to == '118 frame pairs of 0, 1'


def test_too_little_data_is_refused_and_the_file_stays(model_file, drives, capsys):
    before = model_file.read_bytes()
    assert main(['calibrate-covariance', '--model', str(model_file), str(drives / '0')]) == 1
    assert 'too few' in capsys.readouterr().err
    assert model_file.read_bytes() == before
