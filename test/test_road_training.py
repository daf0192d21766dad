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
from atvio_ros.network.patch_weights import PatchWeights
from atvio_ros.network.road_config import RoadConfig
from atvio_ros.network.road_file import load_road, untrained_road
from atvio_ros.odometry.estimators import choose_estimator
from atvio_ros.training.road_drives import RoadDrive
from atvio_ros.training.road_patches import PatchDrive, PatchWindows, record_patches, through, validate_patches
from atvio_ros.training.road_settings import PatchStage, RoadTrainSettings, WindowStage, as_yaml, load_road_settings
from atvio_ros.training.road_train import train_road
from atvio_ros.training.road_windows import Losses, Windows, draw_losses, record, run_drive

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
        'model': {'patch_width': 4, 'source_channels': 4, 'hidden': 8},
        'data': {'folder': str(folder), 'sequences': ['fast'], 'validation_sequences': ['slow']},
        'patches': {'steps': 3, 'window': 6, 'batch_size': 2, 'validate_every': 2},
        'windows': {'steps': 4, 'window': 6, 'batch_size': 2, 'validate_every': 2, 'blind': 1.0},
        **changes,
    }
    path.write_text(yaml.safe_dump(settings))
    return path


def test_the_way_of_a_pair_is_that_of_the_truth_in_camera_heights(drive):
    assert len(drive) == FAST.frames - 1
    np.testing.assert_allclose(drive.table.motion[5:, 2], 0.5, rtol=0.01)
    pairs = list(drive.pairs_with_geometry())
    assert len(pairs) == len(drive)
    np.testing.assert_array_equal(pairs[9].geometry.R_image_level, drive.table.R_image_level[9])


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


@pytest.fixture(scope='module')
def patches(drive) -> PatchDrive:
    return record_patches(drive)


def test_the_filter_that_is_learned_through_is_the_estimators(drive, patches):
    """Pair by pair the same speeds as the filter that drives, the curves joined with equal weights."""
    filtering = patches.filter
    anything = torch.ones(len(filtering.speeds), 1) / len(filtering.speeds) * filtering.tilts_alone
    with torch.inference_mode():
        _, speeds = through(patches, PatchWeights(RoadConfig()), anything, slice(0, len(patches)), patches.there)
    np.testing.assert_allclose(speeds[5:].numpy(), patches.base[5:, 0], rtol=2e-3)
    np.testing.assert_allclose(speeds[8:].numpy(), patches.truth[8:], rtol=0.04)


def test_weights_learn_whom_to_believe(patches):
    """Patches on the left are replaced by ones that say half the shift and look alike but for one figure."""
    torch.manual_seed(0)
    lying = patches.there.bool() & (torch.arange(patches.there.shape[1]) % 2 == 0)
    says, figures = patches.says.copy(), patches.figures.clone()
    for n, p in torch.argwhere(lying).tolist():
        says[n, p] = np.roll(says[n, p], -12)
        figures[n, p, 9] = 3.0
    wrong = dataclasses.replace(patches, says=says, figures=figures)
    settings = PatchStage(window=6, from_truth=1.0, dropped=0.0)
    weights, windows = PatchWeights(RoadConfig(patch_width=8)), PatchWindows([wrong], settings)
    optimizer = torch.optim.Adam(weights.parameters(), lr=0.01)
    losses = []
    for step in range(25):
        loss = windows.loss(weights, np.random.default_rng(step % 3))
        losses.append(float(loss.detach()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.inference_mode():
        said = weights(wrong.figures, wrong.there)
    assert np.mean(losses[-3:]) < np.mean(losses[:3])
    assert float(said[lying].mean()) < float(said[patches.there.bool() & ~lying].mean())


def test_validation_tells_how_far_the_way_is_off(patches):
    score, figures = validate_patches(PatchWeights(RoadConfig()), [patches])
    assert score == figures['loss']
    assert figures['way off by %'] < 1.0


def test_recorded_windows_are_what_the_odometry_sees(drive):
    network = untrained_road()
    recorded = record(drive, network.patches)
    output = run_drive(network, recorded)
    assert float(output.motion[0, 10:, 2].mean()) == pytest.approx(0.5, rel=0.01)
    estimates = FAST.run(choose_network(network))
    ways = [estimate.motion.T_previous_current[2, 3] for estimate in estimates]
    np.testing.assert_allclose(output.motion[0, 8:, 2].numpy(), ways[8:], rtol=0.01)


def choose_network(network):
    from atvio_ros.odometry.road_network import RoadNetworkEstimator
    from atvio_ros.odometry.road_torch import TorchRoad

    return RoadNetworkEstimator(TorchRoad(network), trained=True)


def test_where_the_road_is_lost_the_filter_goes_on_and_says_that_it_doubts(drive):
    late = np.arange(len(drive))
    losses = Losses(late > 12, late > 16, late > 14)
    recorded = record(drive, untrained_road().patches, losses)
    sigma, views = recorded.inputs.sigma[0, :, 2], recorded.inputs.views[0]
    assert float(sigma[22]) > 3.0 * float(sigma[12])
    assert float(recorded.inputs.way[0, 22]) == pytest.approx(0.5, rel=0.1)
    assert float(recorded.inputs.curves[0, 13:].abs().max()) == 0.0
    assert int(views[16].max()) > 0
    assert int(views[17:].max()) == 0
    shaken = recorded.inputs.imu[0, :, :, 3:].std(dim=(1, 2))
    assert float(shaken[:15].max()) < 1.0 < 2.0 < float(shaken[15:].min())


def test_the_road_is_lost_now_and_then_the_same_for_the_same_generator(drive):
    one, other = (draw_losses(drive, WindowStage(black=0.5), np.random.default_rng(4)) for _ in range(2))
    np.testing.assert_array_equal(one.road, other.road)
    assert (one.all <= one.road).all()
    assert (one.felt <= one.road).all()
    windows = Windows([record(drive, untrained_road().patches)], WindowStage(window=8, batch_size=2))
    inputs, truth = windows.batch(np.random.default_rng(0))
    assert inputs.way.shape == (2, 8)
    assert truth.shape == (2, 8, 3)


def test_a_run_leaves_a_model_that_drives_and_says_what_it_is_of(folder, tmp_path):
    path = recipe(folder, tmp_path / 'road.yaml')
    main(['train', '--config', str(path), '--out', str(tmp_path / 'run')])
    model, card = load_road(tmp_path / 'run' / 'road.safetensors')
    assert card.trained
    assert card.noise.calibrated
    assert model.config.patch_width == 4
    text = (tmp_path / 'run' / 'road.md').read_text()
    for word in ('fast', 'slow', 'variant: road'):
        assert word in text
    assert load_road_settings(tmp_path / 'run' / 'settings.yaml') == load_road_settings(path)
    found = FAST.run(choose_estimator(model=tmp_path / 'run' / 'road.safetensors'))
    assert way_a_frame(found) == pytest.approx(0.5, rel=0.03)


@pytest.mark.parametrize('stop_at', [('patches', 2), ('windows', 2)])
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
    settings = load_road_settings(recipe(folder, tmp_path / 'road.yaml', windows={'steps': 0}, patches={'steps': 0}))
    with pytest.raises(SettingsError, match='to go on from'):
        train_road(settings, tmp_path / 'run', resume=True)
    train_road(settings, tmp_path / 'run')
    with pytest.raises(SettingsError, match='holds a run already'):
        train_road(settings, tmp_path / 'run')
    with pytest.raises(SettingsError, match='other settings'):
        train_road(dataclasses.replace(settings, seed=5), tmp_path / 'run', resume=True)


def test_the_recipe_in_the_repository_is_one():
    settings = load_road_settings(Path(__file__).parents[1] / 'config' / 'train_road.yaml')
    assert isinstance(settings, RoadTrainSettings)
    assert yaml.safe_load(as_yaml(settings))['variant'] == 'road'
