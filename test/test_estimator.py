"""The network as a motion estimator: memory, attention, grey and colour, bad readings, devices."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from samples.motions import LOOKING_FORWARD
from samples.streams import MS, START_NS

from atvio_ros.errors import ImuError, ModelError
from atvio_ros.network.atvio import Atvio
from atvio_ros.network.config import AtvioConfig
from atvio_ros.odometry.engine import OdometryEngine
from atvio_ros.odometry.estimator import NetworkEstimator
from atvio_ros.odometry.pair_torch import TorchPairs, choose_device
from atvio_ros.types import CameraFrame, FramePair, ImuWindow


def tiny_model(image_channels: int = 3) -> Atvio:
    torch.manual_seed(0)
    size = {'image_height_px': 32, 'image_width_px': 64, 'image_channels': image_channels}
    return Atvio(AtvioConfig(name='tiny', visual_widths=(4, 8, 16), lstm_hidden=8, **size))


@pytest.fixture(scope='module')
def network() -> NetworkEstimator:
    return NetworkEstimator(TorchPairs(tiny_model()), trained=False)


def picture(seed: int, channels: int = 3) -> CameraFrame:
    pixels = np.random.default_rng(seed).integers(0, 256, (32, 64, channels), dtype=np.uint8)
    return CameraFrame(START_NS + seed * 100 * MS, pixels)


def coloured(frame: CameraFrame) -> CameraFrame:
    return CameraFrame(frame.stamp_ns, np.repeat(frame.image, 3, axis=2))


def pictures(first: int, channels: int = 3, imu: float = 0.1, continues: bool = True) -> FramePair:
    stamps_ns = START_NS + first * 100 * MS + np.arange(11) * 10 * MS
    window = ImuWindow(stamps_ns, np.full((11, 6), imu))
    return FramePair(picture(first, channels), picture(first + 1, channels), window, continues)


def test_the_network_remembers_the_pairs_before_until_it_is_reset(network):
    network.reset()
    alone = network.predict(pictures(1)).T_previous_current
    network.reset()
    network.predict(pictures(0))
    after_another = network.predict(pictures(1)).T_previous_current
    network.reset()
    again = network.predict(pictures(1)).T_previous_current
    assert np.abs(alone - after_another).max() > 1e-6
    np.testing.assert_array_equal(alone, again)


def test_the_networks_answer_is_a_pose_with_the_attention_that_led_to_it(network):
    network.reset()
    motion = network.predict(pictures(0))
    R = motion.T_previous_current[:3, :3]
    np.testing.assert_allclose(R @ R.T, np.eye(3), atol=1e-12)
    assert 0.0 < motion.attention_visual < 1.0
    assert 0.0 < motion.attention_inertial < 1.0


def test_warming_up_leaves_no_memory(network):
    network.reset()
    expected = network.predict(pictures(0)).T_previous_current
    network.reset()
    network.warm_up()
    np.testing.assert_array_equal(network.predict(pictures(0)).T_previous_current, expected)


def test_grey_images_are_taken_as_colour_images_without_colour_also_beside_one_with(network):
    pair = pictures(0, channels=1)
    previous, current = pair.previous, pair.current
    answers = []
    for frames in itertools.product((previous, coloured(previous)), (current, coloured(current))):
        network.reset()
        answers.append(network.predict(FramePair(*frames, pair.imu)).T_previous_current)
    for answer in answers:
        np.testing.assert_allclose(answer, answers[0], atol=1e-6)


@pytest.mark.parametrize(('image_channels', 'network_channels'), [(1, 1), (1, 3), (3, 1), (3, 3)])
def test_an_image_reaches_the_network_in_the_channels_it_has(image_channels, network_channels):
    model, seen = tiny_model(image_channels=network_channels), []
    model.image_input.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].shape))
    estimator = NetworkEstimator(TorchPairs(model), trained=False)
    estimator.predict(pictures(0, image_channels))
    assert seen == [(1, 2, image_channels, 32, 64)]


@pytest.mark.filterwarnings('ignore:overflow')
def test_absurd_imu_readings_cost_one_pair_and_not_the_rest_of_the_drive(network):
    engine = OdometryEngine(network, LOOKING_FORWARD)
    before = engine.process(pictures(0, continues=False))
    with pytest.raises(ModelError):
        engine.process(pictures(1, imu=1e300))
    after = engine.process(pictures(2))
    assert np.isfinite(after.T_odom_base).all()
    assert np.linalg.norm(after.T_odom_base[:3, 3] - before.T_odom_base[:3, 3]) < 10.0


def test_a_pair_without_readings_is_an_imu_error(network):
    empty = FramePair(picture(0), picture(1), ImuWindow(np.empty(0, np.int64), np.empty((0, 6))))
    with pytest.raises(ImuError):
        network.predict(empty)


def test_an_untrained_network_says_so_in_its_name(network):
    assert network.name.startswith('tiny (')
    assert 'UNTRAINED' in network.name


@pytest.mark.parametrize('name', ['gpu', '', 'mps', 'meta', 'xpu', 'vulkan', 'cpu:x'])
def test_a_device_that_is_not_supported_is_refused_with_those_that_are(name):
    with pytest.raises(ModelError, match='Use auto, cuda or cpu'):
        choose_device(name)


def test_cuda_is_refused_where_there_is_none_and_auto_takes_what_there_is():
    assert choose_device('cpu') == torch.device('cpu')
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    assert choose_device('auto').type == ('cuda' if gpus else 'cpu')
    with pytest.raises(ModelError, match='CUDA'):
        choose_device(f'cuda:{gpus}')
