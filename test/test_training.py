"""Training learns, its stages follow one another as the recipe says, and a run that cannot work does not begin."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
from samples.training import PAIRS, WINDOWS, settings, two_sequences, write_config

from atvio_ros.errors import DatasetError, SettingsError
from atvio_ros.network.checkpoint import load_model
from atvio_ros.training.checkpoint_files import LAST
from atvio_ros.training.checkpoints import KeepCheckpoints, best_of, network_weights
from atvio_ros.training.dataset import open_split
from atvio_ros.training.photometric import photometric
from atvio_ros.training.plan import Plan
from atvio_ros.training.settings import AugmentationSettings
from atvio_ros.training.train import Hardware, train

ROOT = Path(__file__).resolve().parent.parent
NOTHING_LEARNED = {'learning_rate': 0.0}


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return two_sequences(tmp_path_factory.mktemp('data'))


def test_training_learns_the_motion(data, tmp_path):
    """Images are noise, so only the IMU can tell rotation and only the mean can tell speed; both are soon found."""
    shown = []
    result = train(
        settings(
            data,
            augmentation={},
            stages=[{'epochs': 15, 'batch_size': 8, 'learning_rate': 0.005, 'validate_every_epochs': 5.0}],
            loss={'separate': True, 'rotation_weight': 1.0},
        ),
        tmp_path / 'run',
        show=shown.append,
    )
    figures = [progress.figures for progress in shown if progress.figures]
    assert figures[-1]['val/loss'] < figures[0]['val/loss']
    assert result.figures['val/translation_mae_m'] < 0.4  # it moves 0.93 m a frame
    assert result.figures['val/end_error'] == min(f['val/end_error'] for f in figures)
    assert all(0.0 <= progress.data_wait_percent <= 100.0 for progress in shown)


# ---- what a stage starts from


def last_state(out):
    return torch.load(out / LAST, weights_only=True)['state_dict']


def learned(state):
    """Without the statistics of batch norm, which move with the images even where nothing is learned."""
    return {name: tensor for name, tensor in state.items() if 'running_' not in name and 'num_batches' not in name}


def test_a_stage_starts_from_the_best_network_of_the_one_before(data, tmp_path):
    """The rate of the first is so high that its network gets worse again."""
    pairs = {**PAIRS, 'epochs': 3, 'learning_rate': 0.3, 'validate_every_epochs': 0.2}
    recipe = {'stages': [pairs, {**WINDOWS, 'start_from': 'best', **NOTHING_LEARNED}], 'weight_decay': 0.0}
    shown = []
    train(settings(data, **recipe), tmp_path / 'run', show=shown.append)
    best = min((p for p in shown if p.figures and p.stage == 'pairs'), key=lambda p: p.figures['val/end_error'])
    assert best.step < 15  # else this would show nothing
    checkpoint = best_of(tmp_path / 'run', 'pairs')
    assert torch.load(checkpoint, weights_only=True)['global_step'] == best.step
    last = last_state(tmp_path / 'run')
    for name, tensor in learned(network_weights(checkpoint)).items():
        assert torch.equal(tensor, last[f'network.{name}']), name
    assert last['loss.translation.log_c'].exp() == pytest.approx(0.05)  # loss and Adam begin anew


def test_a_stage_goes_on_from_the_last_step_if_nothing_else_is_said(data, tmp_path):
    stages = [PAIRS, {**WINDOWS, **NOTHING_LEARNED}]
    train(settings(data, stages=stages, weight_decay=0.0, max_steps=5), tmp_path / 'pairs')
    train(settings(data, stages=stages, weight_decay=0.0), tmp_path / 'both')
    both = last_state(tmp_path / 'both')
    for name, tensor in learned(last_state(tmp_path / 'pairs')).items():
        assert torch.equal(tensor, both[name]), name


def test_a_stage_cannot_start_from_the_best_of_one_that_diverged(data, tmp_path):
    chosen = settings(data, stages=[PAIRS, {**WINDOWS, 'start_from': 'best'}])
    checkpoints = KeepCheckpoints(tmp_path, Plan(open_split(data, chosen.data, chosen.model, 2), chosen))
    with pytest.raises(SettingsError, match='No validation of stage pairs gave a finite t_rel'):
        checkpoints.on_train_batch_start(Mock(global_step=5), Mock(), Mock(), 5)


def test_initial_model_is_where_training_starts(data, tmp_path):
    first = train(settings(data, max_steps=2), tmp_path / 'first')
    changes = {'stages': [{**WINDOWS, **NOTHING_LEARNED}], 'weight_decay': 0.0}
    second = train(settings(data, max_steps=1, initial_model=str(first.model), **changes), tmp_path / 'second')
    before, after = load_model(first.model)[0], load_model(second.model)[0]
    assert before.config == after.config
    for name, parameter in before.named_parameters():
        assert torch.equal(parameter, after.get_parameter(name)), name


def test_an_initial_model_can_have_its_gyro_fitted_to_the_new_data(data, tmp_path):
    """That of another robot, say."""
    first = train(settings(data, max_steps=1, variant='ca_a_gyro'), tmp_path / 'first')
    changes = {'stages': [{**WINDOWS, **NOTHING_LEARNED}], 'weight_decay': 0.0}
    changes |= {'initial_model': str(first.model), 'calibrate_gyro': True}
    second = train(settings(data, max_steps=1, variant='ca_a_gyro', **changes), tmp_path / 'second')
    before, after = load_model(first.model)[0], load_model(second.model)[0]
    fitted = ('gyro_lag_s', 'R_camera_imu', 'gyro_bias')
    assert before.config.gyro_bias != after.config.gyro_bias
    assert before.config == dataclasses.replace(after.config, **{name: getattr(before.config, name) for name in fitted})
    for name, parameter in before.named_parameters():
        assert torch.equal(parameter, after.get_parameter(name)), name


# ---- what cannot work


def test_nothing_is_trained_without_held_out_images(data, tmp_path):
    with pytest.raises(DatasetError, match='for validation'):
        train(settings(data, data={'validation_share': 0.0}), tmp_path / 'run')
    assert not (tmp_path / 'run').exists()


@pytest.mark.parametrize(
    ('hardware', 'message'),
    [
        (Hardware('cpu', devices=0), '--devices must be at least 1, not 0'),
        (Hardware('cpu', devices=-1), '--devices must be at least 1, not -1'),
        (Hardware('cpu', nodes=0), '--num-nodes must be at least 1, not 0'),
        (Hardware('gpu', devices=1000), 'Choose --accelerator auto or cpu, or fewer --devices'),
    ],
)
def test_hardware_that_is_not_there_is_refused_before_the_run_begins(data, tmp_path, hardware, message):
    with pytest.raises(SettingsError, match=message):
        train(settings(data), tmp_path / 'run', hardware=hardware)
    assert not (tmp_path / 'run').exists()


# ---- beside the steps


def test_photometric_changes_are_one_a_window_and_keep_the_range():
    torch.manual_seed(0)
    images = torch.full((3, 5, 1, 4, 4), 100, dtype=torch.uint8)
    changed = photometric(images, AugmentationSettings(brightness=0.3))
    assert changed.min() >= 0.0
    assert changed.max() <= 1.0
    assert torch.equal(changed, changed[:, :1, :, :1, :1].expand_as(changed))
    assert len(changed[:, 0, 0, 0, 0].unique()) == 3
    assert photometric(images, AugmentationSettings()) is images


@pytest.mark.slow
def test_two_processes_train_one_network(data, tmp_path):
    """DDP over gloo on the CPU: each on windows of its own, validation shared, one model file."""
    config = write_config(tmp_path / 'tiny.yaml', data, max_steps=2)
    out = tmp_path / 'run'
    words = ['train', '--config', str(config), '--out', str(out), '--accelerator', 'cpu', '--devices', '2']
    done = subprocess.run(
        [sys.executable, '-m', 'atvio_ros.cli', *words],
        cwd=ROOT,
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('Model and card') == 1
    saved = torch.load(out / LAST, weights_only=True)
    assert saved['global_step'] == 2
    assert dataclasses.asdict(load_model(out / 'ca_a.safetensors')[0].config)['lstm_hidden'] == 8
