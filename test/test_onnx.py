"""Exported networks: the same answers, settings and card as PyTorch's, and clear words where that cannot be."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from samples.command_line import call, complaint
from samples.models import write_tiny_model
from samples.plane import PlaneDrive, robot

onnx = pytest.importorskip('onnx', reason='exports need onnx: pip install onnx onnxruntime, or `make setup`')
pytest.importorskip('onnxruntime', reason='ONNX files need onnxruntime: `make setup` has it')

from atvio_ros.errors import ModelError, SettingsError  # noqa: E402
from atvio_ros.network.atvio import Atvio  # noqa: E402
from atvio_ros.network.card import ModelCard  # noqa: E402
from atvio_ros.network.checkpoint import load_model, save_model  # noqa: E402
from atvio_ros.network.config import VARIANTS, AtvioConfig, variant  # noqa: E402
from atvio_ros.network.onnx_export import pair_graph  # noqa: E402
from atvio_ros.network.onnx_interface import pair_inputs  # noqa: E402
from atvio_ros.odometry import onnx_check  # noqa: E402
from atvio_ros.odometry.estimator import NetworkEstimator  # noqa: E402
from atvio_ros.odometry.loading import by_onnxruntime, load_network  # noqa: E402
from atvio_ros.odometry.onnx_check import ComparedPairs, Differences, drive_pairs  # noqa: E402
from atvio_ros.odometry.pair_torch import TorchPairs  # noqa: E402

MODELS = Path(__file__).parents[1] / 'models'
SMALL = {'visual_widths': (4, 8, 16), 'lstm_hidden': 8, 'image_height_px': 32, 'image_width_px': 64}
SAME_M, SAME_RAD = 1e-5, 1e-6  # of the pose after a short drive
AS_BUILT = 'the model ships only with builds that have the models'


def small(name: str, **changes: object) -> Atvio:
    import torch

    torch.manual_seed(3)
    return Atvio(dataclasses.replace(variant(name), **SMALL, **changes)).eval()  # type: ignore[arg-type]


def both(model: Atvio, card: ModelCard | None = None) -> tuple[TorchPairs, NetworkEstimator]:
    content = pair_graph(model, card or ModelCard())
    by_onnx = by_onnxruntime(Path('small.onnx'), 'cpu', 1, (content,))
    assert isinstance(by_onnx, NetworkEstimator)
    return TorchPairs(model), by_onnx


@pytest.fixture(autouse=True)
def _short_drives(monkeypatch):
    monkeypatch.setattr(onnx_check, 'DRIVE_PAIRS', 5)


@pytest.fixture(scope='module')
def written(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('written')
    source = write_tiny_model(folder / 'tiny.safetensors', inertial_encoder='conv1d', fusion='ca_a')
    assert call('export-onnx', '--model', source, '--out', folder / 'small.onnx') == 0
    return folder


@pytest.fixture
def exported(tmp_path, written) -> tuple[Path, Path]:
    """A model file and its export, of another name."""
    shutil.copytree(written, tmp_path, dirs_exist_ok=True)
    return tmp_path / 'tiny.safetensors', tmp_path / 'small.onnx'


# ---- the same answers


@pytest.mark.parametrize('name', VARIANTS)
def test_every_variant_answers_as_pytorch_through_a_drive(name):
    by_torch, by_onnx = both(small(name))
    differences = Differences()
    drive_pairs(ComparedPairs(by_torch, by_onnx.network, differences), pairs=30)
    differences.check()
    assert differences.pairs == 30
    assert differences.largest['motion'] < 1e-5
    assert by_onnx.network.digest == by_torch.digest


@pytest.mark.parametrize('changes', [{'image_channels': 1}, {'skip_head': True}, {'visual_encoder': 'mobile'}], ids=str)
def test_other_settings_export_too(changes):
    by_torch, by_onnx = both(small('ca_a_gyro', **changes))
    differences = Differences()
    drive_pairs(ComparedPairs(by_torch, by_onnx.network, differences), pairs=5)
    differences.check()


def test_the_mounting_of_the_camera_is_the_robots_not_the_files():
    by_torch, by_onnx = both(small('ca_a_gyro', gyro_bias=(0.01, -0.02, 0.03)))
    turned = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    answers = []
    for network in (by_torch, by_onnx.network):
        for each in (network, network.on_robot(turned)):
            images = np.full((2, 32, 64, 3), 80, np.uint8)
            answers.append(each.motion(images, np.full((11, 6), 0.2, np.float32), 0.1).motion)
    as_filed, on_robot, *by_the_other = answers
    assert np.abs(as_filed - on_robot).max() > 1e-3
    np.testing.assert_allclose(by_the_other, [as_filed, on_robot], atol=1e-6)


def test_the_memory_is_each_robots_own_until_it_is_reset():
    _, by_onnx = both(small('ca_a'))
    images, imu = np.random.default_rng(0).integers(0, 256, (2, 32, 64, 3), np.uint8), np.zeros((11, 6), np.float32)
    one, other = (by_onnx.network.on_robot(np.eye(3)) for _ in range(2))
    first = one.motion(images, imu, 0.1).motion
    one.warm_up()
    second = one.motion(images, imu, 0.1).motion
    assert np.abs(first - second).max() > 1e-9
    np.testing.assert_array_equal(other.motion(images, imu, 0.1).motion, first)
    one.reset()
    np.testing.assert_array_equal(one.motion(images, imu, 0.1).motion, first)


@pytest.mark.parametrize('name', ['ca_a', 'road'])
def test_a_shipped_network_gives_the_same_odometry(name, tmp_path):
    model = MODELS / f'{name}.safetensors'
    if not model.exists():
        pytest.skip(AS_BUILT)
    assert call('export-onnx', '--model', model, '--out', tmp_path / 'out.onnx') == 0
    estimators = load_network(model, 'cpu', backend='torch'), load_network(tmp_path / 'out.onnx', 'cpu')
    assert len({(each.name, each.trained, each.noise) for each in estimators}) == 1
    drive = PlaneDrive(robot(), 0.5, frames=12)
    by_torch, by_onnx = (drive.run(each) for each in estimators)
    assert len(by_torch) == len(by_onnx) == 11
    for one, other in zip(by_torch, by_onnx, strict=True):
        np.testing.assert_allclose(other.T_odom_base[:3, 3], one.T_odom_base[:3, 3], atol=SAME_M)
        np.testing.assert_allclose(other.T_odom_base[:3, :3], one.T_odom_base[:3, :3], atol=SAME_RAD)
        np.testing.assert_allclose(other.pose_covariance, one.pose_covariance, rtol=1e-4, atol=1e-8)


# ---- what is written


def test_the_file_has_fixed_sizes_the_opset_and_the_metadata_of_the_model_file(exported):
    source, path = exported
    graph = onnx.load(path)
    network, card = load_model(source)
    assert [each.version for each in graph.opset_import] == [17]
    metadata = {each.key: each.value for each in graph.metadata_props}
    assert json.loads(metadata['config']) == json.loads(json.dumps(dataclasses.asdict(network.config)))
    assert json.loads(metadata['card'])['trained'] is card.trained is True
    sizes = {each.name: tuple(axis.dim_value for axis in each.type.tensor_type.shape.dim) for each in graph.graph.input}
    assert sizes == {name: shape for name, shape in pair_inputs(network.config).items() if name != 'interval_s'}
    assert [each.name for each in graph.graph.output] == ['motion', 'attention', 'next_hidden', 'next_cell']


def test_a_network_that_differs_is_not_written(tmp_path, capsys, monkeypatch, tiny_model):
    monkeypatch.setitem(onnx_check.TOLERANCE, 'motion', -1.0)
    line = complaint(capsys, 'export-onnx', '--model', tiny_model, '--out', tmp_path / 'out.onnx')
    assert 'differs from PyTorch' in line
    assert list(tmp_path.iterdir()) == []


def test_a_network_is_compared_over_the_bag_that_is_given(tmp_path, capsys, tiny_model, tiny_drive):
    out = tmp_path / 'out.onnx'
    assert call('export-onnx', '--model', tiny_model, '--out', out, '--bag', tiny_drive, '--json') == 0
    said = json.loads(capsys.readouterr().out)
    assert (said['files'], said['pairs']) == ([str(out)], 2)
    assert said['largest']['motion'] < 1e-5
    assert [path.name for path in tmp_path.iterdir()] == ['out.onnx']


def test_only_names_of_onnx_files_are_taken(tmp_path, capsys, tiny_model):
    line = complaint(capsys, 'export-onnx', '--model', tiny_model, '--out', tmp_path / 'out.safetensors')
    assert 'must end in .onnx' in line


# ---- which backend


def test_an_export_beside_the_model_file_serves_while_it_is_of_that_file(exported):
    source, path = exported
    beside = source.with_suffix('.onnx')
    assert 'ONNX' not in str(load_network(source, 'cpu').device)
    path.rename(beside)
    assert 'ONNX Runtime' in str(load_network(source, 'cpu').device)
    assert 'ONNX' not in str(load_network(source, 'cpu', backend='torch').device)
    model, card = load_model(source)
    save_model(source, model, dataclasses.replace(card, seed=5))
    assert 'ONNX' not in str(load_network(source, 'cpu').device)


def test_onnxruntime_runs_a_model_file_by_exporting_it_on_the_way(tiny_model):
    by_onnx, by_torch = (load_network(tiny_model, 'cpu', backend=backend) for backend in ('onnxruntime', 'torch'))
    assert 'ONNX Runtime' in str(by_onnx.device)
    assert by_onnx.name == by_torch.name


def test_backends_that_cannot_be_are_refused(exported):
    _, path = exported
    with pytest.raises(SettingsError, match='PyTorch does not run'):
        load_network(path, backend='torch')
    with pytest.raises(SettingsError, match='auto, torch or onnxruntime'):
        load_network(path, backend='tensorflow')
    with pytest.raises(ModelError, match='Use auto, cuda or cpu'):
        load_network(path, 'gpu')


def test_cuda_is_refused_with_the_package_that_has_it(exported, monkeypatch):
    import onnxruntime

    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: ['CPUExecutionProvider'])
    with pytest.raises(ModelError, match='onnxruntime-gpu'):
        load_network(exported[1], 'cuda')


# ---- bad files


def refuses(path: Path, message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        load_network(path)
    assert '\n' not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize('keep', [0, 5, 1000, -1])
def test_a_truncated_file_is_refused(exported, keep):
    _, path = exported
    path.write_bytes(path.read_bytes()[:keep])
    refuses(path, 'is not a whole ONNX file|something else')


def test_a_missing_file_is_named(tmp_path):
    refuses(tmp_path / 'none.onnx', 'no model file')


def rewrite(path: Path, **metadata: str | None) -> None:
    graph = onnx.load(path)
    merged = {each.key: each.value for each in graph.metadata_props} | metadata
    del graph.metadata_props[:]
    onnx.helper.set_model_props(graph, {key: value for key, value in merged.items() if value is not None})
    onnx.save(graph, path)


def test_a_file_of_another_program_or_version_is_refused(exported):
    _, path = exported
    rewrite(path, format_version='99')
    refuses(path, 'version 99.*version 1')
    rewrite(path, format=None)
    refuses(path, 'something else')


def test_a_file_of_other_sizes_than_it_says_is_refused(exported):
    _, path = exported
    other = dataclasses.replace(AtvioConfig(), image_width_px=96)
    rewrite(path, config=json.dumps(dataclasses.asdict(other)))
    refuses(path, 'contradicts its own configuration: images')


def test_a_file_cannot_refer_to_other_files(exported, tmp_path):
    _, path = exported
    (tmp_path / 'secret').write_bytes(bytes(1 << 16))
    graph = onnx.load(path)
    weights = graph.graph.initializer[0]
    weights.ClearField('raw_data')
    weights.data_location = onnx.TensorProto.EXTERNAL
    weights.external_data.add(key='location', value='secret')
    path.write_bytes(graph.SerializeToString())
    refuses(path, 'refers to other files')


def test_the_two_files_of_a_network_road_must_be_of_one_network(tmp_path):
    for name in ('one', 'other'):
        assert call('export-onnx', '--variant', 'road', '--out', tmp_path / f'{name}.onnx') == 0
    load_network(tmp_path / 'one.onnx')
    rewrite(tmp_path / 'other.patches.onnx', digest='0123456789ab')
    refuses(tmp_path / 'other.onnx', 'of two networks')
    (tmp_path / 'one.patches.onnx').unlink()
    with pytest.raises(ModelError, match=r'no model file .*one\.patches\.onnx'):
        load_network(tmp_path / 'one.onnx')
