"""The network road on a plane whose motion is known, its file, its memory. Untrained it is the road estimator."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from samples.plane import PlaneDrive, believed, robot, way_a_frame

from atvio_ros.cli.main import main
from atvio_ros.errors import ModelError
from atvio_ros.motion_noise import MotionNoise
from atvio_ros.network.checkpoint import ModelCard, load_model
from atvio_ros.network.road_config import AROUND, SCALARS, RoadConfig
from atvio_ros.network.road_file import is_road_file, load_road, road_hash, save_road, untrained_road
from atvio_ros.network.road_network import RoadInputs, RoadNetwork, _likeness
from atvio_ros.odometry.estimators import choose_estimator
from atvio_ros.odometry.road_network import RoadNetworkEstimator
from atvio_ros.odometry.road_torch import TorchRoad
from atvio_ros.types import OdometryEstimate

DRIVE = PlaneDrive(robot(), 0.5)


@pytest.fixture(scope='module')
def model() -> RoadNetwork:
    return untrained_road()


@pytest.fixture(scope='module')
def forward(model) -> list[OdometryEstimate]:
    return DRIVE.run(estimator(model))


def estimator(model: RoadNetwork) -> RoadNetworkEstimator:
    return RoadNetworkEstimator(TorchRoad(model), trained=True)


def excited(config: RoadConfig | None = None) -> RoadNetwork:
    """A network whose last layer says something, as if trained."""
    torch.manual_seed(1)
    network = RoadNetwork(config or RoadConfig()).eval()
    torch.nn.init.normal_(network.head.weight, std=0.2)
    return network


def inputs(B: int = 1, T: int = 6, seed: int = 0) -> RoadInputs:
    torch.manual_seed(seed)
    return RoadInputs(
        -torch.rand(B, T, 4, AROUND) * 10,
        torch.randn(B, T, SCALARS),
        torch.randn(B, T, 11, 6) * 0.1,
        torch.randint(0, 255, (B, T, 2, 64, 208), dtype=torch.uint8),
        torch.rand(B, T) + 0.1,
        torch.full((B, T, 3), 0.02),
    )


def test_half_a_metre_is_half_a_metre(forward):
    assert way_a_frame(forward) == pytest.approx(0.5, rel=0.01)
    np.testing.assert_allclose(forward[-1].T_odom_base[1:3, 3], 0.0, atol=0.15)


def test_twice_the_height_is_twice_the_distance(model, forward):
    rig = believed(DRIVE.rig, camera_height=2.0)
    assert way_a_frame(DRIVE.run(estimator(model), rig)) == pytest.approx(2.0 * way_a_frame(forward), rel=0.01)


def test_a_walking_robot_at_30_hz_is_measured_over_several_images(model):
    drive = PlaneDrive(robot(0.6), 0.02, frames=50, interval_ms=33)
    assert way_a_frame(drive.run(estimator(model)), 30) == pytest.approx(0.02, rel=0.05)


def test_an_estimator_serves_several_robots_and_remembers_none(model, forward):
    one = estimator(model)
    PlaneDrive(robot(0.5), 0.1, frames=5).run(one)
    again = DRIVE.run(one)
    for before, after in zip(forward, again, strict=True):
        np.testing.assert_array_equal(before.T_odom_base, after.T_odom_base)
        np.testing.assert_array_equal(before.pose_covariance, after.pose_covariance)


def test_the_first_pair_is_less_sure_than_those_after_it(forward):
    first, later = (float(estimate.twist_covariance[0, 0]) for estimate in (forward[0], forward[-1]))
    assert first > later > 0.0


def test_a_way_that_is_not_seen_is_said_and_doubted(model):
    class Dark(PlaneDrive):
        def image(self, index):
            image = super().image(index)
            if index > 15:
                image[70:] = 90  # all of the road without texture
            return image

    estimates = Dark(robot(), 0.5, frames=35).run(estimator(model))
    assert estimates[-1].twist_covariance[0, 0] > 4.0 * estimates[14].twist_covariance[0, 0]
    assert any('road' in text for text in estimates[-1].warnings)


def test_untrained_it_says_what_the_road_estimator_says(forward):
    for one, other in zip(forward, DRIVE.run(choose_estimator('geometry')), strict=True):
        np.testing.assert_allclose(one.T_odom_base, other.T_odom_base, atol=2e-3)
        assert one.motion.road.tilt == pytest.approx(other.motion.road.tilt, abs=1e-6)
        assert one.motion.road.support == pytest.approx(other.motion.road.support)


def test_the_perspective_is_looked_at_where_the_filter_doubts():
    """What is clear does not change with the level views, and what is doubted does."""
    network, window = excited(), inputs()
    views = torch.randint(0, 255, window.views.shape, dtype=torch.uint8)
    sure = window._replace(sigma=0.01 * window.way[..., None].expand(-1, -1, 3))
    with torch.inference_mode():
        torch.testing.assert_close(network(sure).motion, network(sure._replace(views=views)).motion)
        assert float(network(sure).gate.max()) == 0.0
        unsure = window._replace(sigma=torch.full_like(window.sigma, 0.4))
        assert float(network(unsure).gate.max()) > 0.0
        assert not torch.allclose(network(unsure).motion, network(unsure._replace(views=views)).motion)


def test_features_of_views_are_compared_at_all_shifts():
    torch.manual_seed(3)
    newer, older = torch.randn(2, 5, 6, 9), torch.randn(2, 5, 6, 9)
    found = _likeness(newer, older)
    assert found.shape == (2, 81, 6, 9)
    for y, x in ((0, 0), (4, 4), (7, 2)):
        moved = torch.nn.functional.pad(older, (4, 4, 4, 4))[:, :, y : y + 6, x : x + 9]
        torch.testing.assert_close(found[:, 9 * y + x], (moved * newer).sum(dim=1))


def test_the_memory_is_carried_on():
    """Pair by pair with the state handed on is one long window; without it the next pair differs."""
    network, window = excited(), inputs()
    with torch.inference_mode():
        whole = network(window)
        state, parts = None, []
        for t in range(window.way.shape[1]):
            out = network(RoadInputs(*(tensor[:, t : t + 1] for tensor in window)), state)
            state = out.state
            parts.append(out)
        last = network(RoadInputs(*(tensor[:, -1:] for tensor in window)))
    for name in ('motion', 'log_sigma', 'gate'):
        torch.testing.assert_close(torch.cat([getattr(p, name) for p in parts], dim=1), getattr(whole, name))
    assert not torch.allclose(last.motion, whole.motion[:, -1:])


def test_a_correction_is_bounded_and_untrained_it_is_none(model):
    window = inputs()
    with torch.inference_mode():
        plain, said = model(window), excited()(window)
    torch.testing.assert_close(plain.motion[..., 2], window.way, atol=1e-3, rtol=1e-3)
    reach = 0.51 * window.sigma[..., 2]
    low, high = (window.way - reach) * (1.0 - said.gate), window.way + reach + 1.2 * said.gate
    assert ((said.motion[..., 2] >= low) & (said.motion[..., 2] <= high)).all()
    assert (said.motion[..., :2].abs() <= said.motion[..., 2:].abs() * np.radians(0.21)).all()
    assert torch.isfinite(said.log_sigma).all()


@pytest.mark.parametrize('source', ['road', 'perspective', 'inertial', 'direction'])
def test_a_source_that_is_left_out_changes_nothing_when_it_changes(source):
    network = excited(RoadConfig(without=(source,)))
    window, other = inputs(), inputs(seed=9)
    column = {'road': 0, 'direction': 1, 'inertial': 2, 'perspective': 3}[source]
    changed = RoadInputs(*(other[i] if i == column else tensor for i, tensor in enumerate(window)))
    with torch.inference_mode():
        torch.testing.assert_close(network(window).motion, network(changed).motion)
        attention = network(window).attention
    assert int(torch.isnan(attention[0, 0]).sum()) == 1


def test_what_is_written_is_what_is_read(tmp_path, model):
    path = tmp_path / 'road.safetensors'
    noise = MotionNoise(fitted_to='a test')
    save_road(path, model, ModelCard(trained=True, seed=3, noise=noise))
    again, card = load_road(path)
    assert is_road_file(path)
    assert (card.seed, card.noise.fitted_to, again.config) == (3, 'a test', model.config)
    assert road_hash(again) == road_hash(model)
    chosen = choose_estimator(model=path)
    assert (chosen.kind, chosen.trained) == ('network', True)
    assert road_hash(model) in chosen.name


def test_half_the_bytes_say_nearly_the_same(tmp_path):
    network, window = excited(), inputs()
    for half in (False, True):
        save_road(tmp_path / f'{half}.safetensors', network, ModelCard(trained=True), half=half)
    assert (tmp_path / 'True.safetensors').stat().st_size < 0.6 * (tmp_path / 'False.safetensors').stat().st_size
    with torch.inference_mode():
        one, other = (load_road(tmp_path / f'{half}.safetensors')[0](window).motion for half in (False, True))
    torch.testing.assert_close(one, other, atol=2e-3, rtol=2e-3)


def rewritten(path, change):
    """The file with other metadata and tensors."""
    with safe_open(path, framework='pt') as file:
        metadata, tensors = dict(file.metadata()), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    change(metadata, tensors)
    save_file(tensors, path, metadata)


def without_a_tensor(metadata, tensors):
    del tensors['head.bias']


def with_a_setting_too_many(metadata, tensors):
    metadata['config'] = json.dumps({**json.loads(metadata['config']), 'colour': 3})


def of_the_next_version(metadata, tensors):
    metadata['format_version'] = '2'


def not_a_number(metadata, tensors):
    tensors['head.bias'][0] = float('nan')


@pytest.mark.parametrize(
    ('change', 'says'),
    [
        (without_a_tensor, 'contradicts its own configuration'),
        (with_a_setting_too_many, 'colour is not a setting'),
        (of_the_next_version, 'version 2'),
        (not_a_number, 'not finite'),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path, model, change, says):
    path = tmp_path / 'road.safetensors'
    save_road(path, model, ModelCard())
    rewritten(path, change)
    with pytest.raises(ModelError, match=says):
        load_road(path)


def test_half_a_file_is_refused(tmp_path, model):
    path = tmp_path / 'road.safetensors'
    save_road(path, model, ModelCard())
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelError):
        load_road(path)


def test_the_calibration_of_sigma_travels_with_the_file(model, forward):
    wide = dataclasses.replace(model.config, sigma_scale=(1.0, 1.0, 3.0))
    network = untrained_road()
    network.config = wide
    estimates = DRIVE.run(RoadNetworkEstimator(TorchRoad(network), trained=True))
    assert estimates[-1].motion.covariance[2, 2] == pytest.approx(9.0 * forward[-1].motion.covariance[2, 2], rel=1e-3)


def test_describe_says_what_it_is_made_of(tmp_path, model, capsys):
    path = tmp_path / 'road.safetensors'
    save_road(path, model, ModelCard(trained=True))
    main(['describe', '--model', str(path), '--json'])
    said = json.loads(capsys.readouterr().out)
    assert said['variant'] == 'road'
    assert said['parameters']['total'] == sum(weight.numel() for weight in model.parameters())
    assert sum(count for part, count in said['parameters'].items() if part != 'total') == said['parameters']['total']


def test_a_command_for_the_networks_of_the_paper_says_that_it_is_none(tmp_path, model):
    path = tmp_path / 'road.safetensors'
    save_road(path, model, ModelCard(trained=True))
    with pytest.raises(ModelError, match='network road, none of the paper'):
        load_model(path)
