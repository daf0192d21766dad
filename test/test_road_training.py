"""Training of the network road on drives over a plane: what it learns from, stages, resuming, the file it leaves."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from samples.plane import PlaneDrive, robot, way_a_frame
from samples.stored_drives import write_stored

from atvio_ros.cli.main import main
from atvio_ros.errors import DatasetError, SettingsError
from atvio_ros.network.road_config import RoadConfig
from atvio_ros.network.road_file import load_road, untrained_road
from atvio_ros.odometry.estimators import choose_estimator
from atvio_ros.training.road_drives import RoadDrive
from atvio_ros.training.road_pairs import PairAugmentation, RoadPairs, pair_loss
from atvio_ros.training.road_settings import RoadTrainSettings, WindowStage, as_yaml, load_road_settings
from atvio_ros.training.road_train import train_road
from atvio_ros.training.road_windows import Windows, blinded, record, run_drive

FAST, SLOW = PlaneDrive(robot(), 0.5, frames=24), PlaneDrive(robot(0.6), 0.2, frames=24)


@pytest.fixture(scope='module')
def folder(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp('free')
    write_stored(out / 'fast', FAST)
    write_stored(out / 'slow', SLOW)
    return out


@pytest.fixture(scope='module')
def drive(folder, tmp_path_factory) -> RoadDrive:
    return RoadDrive(folder / 'fast', tmp_path_factory.mktemp('cache'))


def recipe(folder: Path, path: Path, **changes: object) -> Path:
    settings = {
        'variant': 'road',
        'model': {'features': 2, 'curve_width': 4, 'source_channels': 4, 'hidden': 8},
        'data': {'folder': str(folder), 'sequences': ['fast'], 'validation_sequences': ['slow']},
        'pairs': {'steps': 3, 'batch_size': 2, 'validate_every': 2, 'validation_pairs': 4},
        'windows': {'steps': 4, 'window': 6, 'batch_size': 2, 'validate_every': 2},
        **changes,
    }
    path.write_text(yaml.safe_dump(settings))
    return path


def test_the_way_of_a_pair_is_that_of_the_truth_in_camera_heights(drive):
    assert len(drive) == FAST.frames - 1
    np.testing.assert_allclose(drive.table.motion[5:, 2], 0.5, rtol=0.01)
    assert drive.way_h(10, 3) == pytest.approx(1.5, rel=0.01)
    index, R, span_s = drive.older(10, 3)
    assert (index, span_s) == (int(drive.table.newer[10]) - 3, pytest.approx(0.3))
    np.testing.assert_allclose(R, np.eye(3), atol=2e-3)


def test_what_was_found_once_is_kept(folder, tmp_path):
    first = RoadDrive(folder / 'slow', tmp_path)
    kept = list(tmp_path.iterdir())
    assert len(kept) == 1
    again = RoadDrive(folder / 'slow', tmp_path)
    for name, array in vars(first.table).items():
        np.testing.assert_array_equal(array, getattr(again.table, name))


def test_a_sequence_of_another_view_is_refused(tmp_path):
    write_stored(tmp_path / 'level', PlaneDrive(robot(), 0.5, frames=3), view='level')
    with pytest.raises(DatasetError, match='--view stored'):
        RoadDrive(tmp_path / 'level')


def test_a_pair_as_it_is_peaks_at_its_shift_and_one_tilted_too_far_where_its_tilt_says(drive):
    """The tilt that was added is known to the loss: told wrongly, the same curves explain the shift worse."""
    matcher = untrained_road().matcher
    samples = RoadPairs([drive], RoadConfig(), PairAugmentation(pitch_deg=0.5, yaw_deg=0.0, moving=0.0, longer=0.0))
    rng = np.random.default_rng(0)
    plain = [samples.sample(k, None) for k in range(8, 20)]
    tilted = [samples.sample(k, rng) for k in range(8, 20)]
    with torch.inference_mode():
        _, away = pair_loss(matcher, plain, np.radians(0.15))
        right, _ = pair_loss(matcher, tilted, np.radians(0.15))
        wrong, _ = pair_loss(matcher, [sample._replace(tilt=-sample.tilt) for sample in tilted], np.radians(0.15))
    assert float(away.abs().median()) <= 1.0  # cells
    assert float(right) < float(wrong)


def test_the_same_generator_draws_the_same_sample(drive):
    samples = RoadPairs([drive], RoadConfig(), PairAugmentation())
    one, other = (samples.sample(9, np.random.default_rng(4)) for _ in range(2))
    np.testing.assert_array_equal(one.drawn.newer, other.drawn.newer)
    assert (one.shift, one.tilt) == (other.shift, other.tilt)


def test_recorded_windows_are_what_the_odometry_sees(drive):
    network = untrained_road()
    recorded = record(drive, network.matcher)
    output = run_drive(network, recorded)
    assert float(output.motion[0, 10:, 2].mean()) == pytest.approx(0.5, rel=0.01)
    estimates = FAST.run(choose_network(network))
    ways = [estimate.motion.T_previous_current[2, 3] for estimate in estimates]
    np.testing.assert_allclose(output.motion[0, 8:, 2].numpy(), ways[8:], rtol=0.01)


def choose_network(network):
    from atvio_ros.odometry.road_network import RoadNetworkEstimator
    from atvio_ros.odometry.road_torch import TorchRoad

    return RoadNetworkEstimator(TorchRoad(network), trained=True)


def test_a_window_whose_road_is_lost_goes_on_with_its_last_speed(drive):
    recorded = record(drive, untrained_road().matcher)
    windows = Windows([recorded], WindowStage(window=8, batch_size=2))
    inputs, truth = windows.batch(np.random.default_rng(0))
    assert inputs.way.shape == (2, 8)
    assert truth.shape == (2, 8, 3)
    one = type(inputs)(*(tensor[:1].clone() for tensor in inputs))
    blinded(one, 3, torch.full((8,), 0.1), 1.0)
    torch.testing.assert_close(one.way[0, 3:], one.way[0, 2].expand(5))
    assert (one.sigma[0, 4:, 2] > one.sigma[0, 3:-1, 2]).all()
    assert float(one.curves[0, 3:].abs().max()) == 0.0
    torch.testing.assert_close(one.way[0, :3], inputs.way[0, :3])


def test_a_run_leaves_a_model_that_drives_and_says_what_it_is_of(folder, tmp_path):
    path = recipe(folder, tmp_path / 'road.yaml')
    main(['train', '--config', str(path), '--out', str(tmp_path / 'run')])
    model, card = load_road(tmp_path / 'run' / 'road.safetensors')
    assert card.trained
    assert card.noise.calibrated
    assert model.config.features == 2
    text = (tmp_path / 'run' / 'road.md').read_text()
    for word in ('fast', 'slow', 'variant: road'):
        assert word in text
    assert load_road_settings(tmp_path / 'run' / 'settings.yaml') == load_road_settings(path)
    found = FAST.run(choose_estimator(model=tmp_path / 'run' / 'road.safetensors'))
    assert way_a_frame(found) == pytest.approx(0.5, rel=0.03)


@pytest.mark.parametrize('stop_at', [('pairs', 2), ('windows', 2)])
def test_a_run_that_is_stopped_goes_on_to_the_same_weights(folder, tmp_path, stop_at):
    settings = load_road_settings(recipe(folder, tmp_path / 'road.yaml'))
    whole, _ = train_road(settings, tmp_path / 'whole')
    stage, step = stop_at

    def stop(text: str) -> None:
        if text.startswith(f'{stage} {step}:'):
            import os
            import signal

            os.kill(os.getpid(), signal.SIGINT)

    _, stopped = train_road(settings, tmp_path / 'parts', say=stop)
    assert stopped
    assert not (tmp_path / 'parts' / 'road.safetensors').exists()
    again, stopped = train_road(settings, tmp_path / 'parts', resume=True)
    assert not stopped
    one, other = load_road(whole)[0], load_road(again)[0]
    for name, tensor in one.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], tensor, rtol=0.0, atol=0.0)


def test_a_run_is_not_begun_over_another_or_gone_on_with_otherwise(folder, tmp_path):
    settings = load_road_settings(recipe(folder, tmp_path / 'road.yaml', windows={'steps': 0}, pairs={'steps': 0}))
    with pytest.raises(SettingsError, match='to go on from'):
        train_road(settings, tmp_path / 'run', resume=True)
    train_road(settings, tmp_path / 'run')
    with pytest.raises(SettingsError, match='holds a run already'):
        train_road(settings, tmp_path / 'run')
    with pytest.raises(SettingsError, match='other settings'):
        train_road(dataclasses.replace(settings, seed=5), tmp_path / 'run', resume=True)


def test_training_lowers_the_loss_of_pairs(drive):
    """Fifteen steps on the same four pairs, from the correlation that it starts as."""
    torch.manual_seed(0)
    matcher = untrained_road().matcher.train()
    samples = RoadPairs([drive], RoadConfig(), PairAugmentation())
    optimizer = torch.optim.Adam(matcher.parameters(), lr=3e-3)
    drawn = [samples.sample(k, np.random.default_rng(k)) for k in (5, 9, 13, 17)]
    losses = []
    for _ in range(16):
        loss, _ = pair_loss(matcher, drawn, 0.003)
        losses.append(float(loss.detach()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < losses[0] - 0.01


def test_the_recipe_in_the_repository_is_one():
    settings = load_road_settings(Path(__file__).parents[1] / 'config' / 'train_road.yaml')
    assert isinstance(settings, RoadTrainSettings)
    assert yaml.safe_load(as_yaml(settings))['variant'] == 'road'
