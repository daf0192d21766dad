"""Model files: what is saved comes back, and whatever is wrong with a file is said in one clear line."""

import dataclasses
import json
import pickle
import re
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from atvio_ros import resources
from atvio_ros.errors import FileError, ModelError
from atvio_ros.network import card, checkpoint
from atvio_ros.network.atvio import Atvio
from atvio_ros.network.checkpoint import ModelCard, load_model, model_hash, save_model
from atvio_ros.network.config import variant
from atvio_ros.network.road_file import is_road_file, load_road

CARD = ModelCard(
    trained=True,
    training_data='synthetic drives',
    recipe='atvio train --config config/train_tiny.yaml',
    seed=3,
    commit='0123abc',
    figures=(('t_rel %', 1.25),),
)


@pytest.fixture
def model():
    torch.manual_seed(0)
    config = dataclasses.replace(
        variant('ca_a_gyro'), visual_widths=(4, 4, 4, 4, 8), lstm_hidden=8, gyro_bias=(0.001, 0.0, -0.002)
    )
    model = Atvio(config)
    model.visual_encoder[1].running_var.fill_(1e-9)  # vanishes in float16
    return model.eval()


@pytest.fixture
def file(tmp_path, model):
    save_model(tmp_path / 'model.safetensors', model, CARD)
    return tmp_path / 'model.safetensors'


def test_a_saved_model_comes_back_with_its_settings_weights_and_card(file, model):
    loaded, card = load_model(file)
    assert card == CARD
    assert loaded.config == model.config
    assert not loaded.training
    assert model_hash(loaded) == model_hash(model)
    images = torch.randint(0, 256, (1, 3, 3, 128, 416), dtype=torch.uint8)
    imu = torch.randn(1, 2, 11, 6)
    with torch.inference_mode():
        assert torch.equal(loaded(images, imu).motion, model(images, imu).motion)


def test_the_hash_tells_models_apart_by_weight_and_by_setting(model):
    before = model_hash(model)
    other = Atvio(dataclasses.replace(model.config, gyro_lag_s=0.065))
    other.load_state_dict(model.state_dict())
    assert model_hash(other) != before
    with torch.no_grad():
        model.pose_head.fc.bias[0] += 1e-3
    assert model_hash(model) != before


def test_half_storage_halves_the_file_and_keeps_statistics_whole(tmp_path, file, model):
    half = tmp_path / 'half.safetensors'
    save_model(half, model, CARD, half=True)
    assert half.stat().st_size < 0.65 * file.stat().st_size
    loaded, _ = load_model(half)
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    assert loaded.visual_encoder[1].running_var[0].item() == pytest.approx(1e-9)
    torch.testing.assert_close(loaded.lstm.from_input[0].weight, model.lstm.from_input[0].weight, rtol=1e-3, atol=1e-4)


def test_weights_too_large_for_float16_are_refused_not_stored_as_infinity(tmp_path, model):
    with torch.no_grad():
        model.pose_head.fc.weight[0, 0] = 1e6
    with pytest.raises(ModelError, match=r'not finite.*pose_head\.fc\.weight'):
        save_model(tmp_path / 'model.safetensors', model, CARD, half=True)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file_and_no_litter(file, model, monkeypatch):
    def breaks_off(tensors, path, metadata):
        path.write_bytes(b'half')
        raise OSError('No space left on device')

    before = file.read_bytes()
    monkeypatch.setattr(checkpoint, 'save_file', breaks_off)
    with pytest.raises(FileError, match='No space left'):
        save_model(file, model, CARD)
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


def test_saving_into_a_missing_folder_says_so(tmp_path, model):
    with pytest.raises(FileError, match='cannot be written'):
        save_model(tmp_path / 'nowhere' / 'model.safetensors', model, CARD)


# ---- bad files


def rewrite(file, metadata=None, tensors=None):
    """Write `file` again with some of its metadata or tensors replaced (None removes)."""
    with checkpoint.safe_open(file, 'pt') as opened:
        old_metadata = dict(opened.metadata())
    merged = {**old_metadata, **(metadata or {})}
    merged_tensors = {**load_file(file), **(tensors or {})}
    save_file(
        {name: tensor for name, tensor in merged_tensors.items() if tensor is not None},
        file,
        {key: value for key, value in merged.items() if value is not None},
    )


def config_with(file, **changes):
    with checkpoint.safe_open(file, 'pt') as opened:
        return json.dumps({**json.loads(opened.metadata()['config']), **changes})


def refuses(file, message):
    with pytest.raises(ModelError, match=message) as caught:
        load_model(file)
    assert '\n' not in str(caught.value)
    assert str(file) in str(caught.value)


def test_missing_file_or_folder_is_named(tmp_path):
    refuses(tmp_path / 'none.safetensors', 'no model file')
    refuses(tmp_path, 'no model file')


@pytest.mark.parametrize('keep', [0, 5, 100, 2000, -1])
def test_a_truncated_file_is_refused(file, keep):
    file.write_bytes(file.read_bytes()[:keep])
    refuses(file, 'not a whole safetensors file')


@pytest.mark.parametrize('header_bytes', [2**63, 2**40, 10**8 + 1])
def test_an_absurd_header_size_is_refused(file, header_bytes):
    file.write_bytes(struct.pack('<Q', header_bytes) + file.read_bytes()[8:])
    refuses(file, 'not a whole safetensors file')


class Bomb:
    """Leaves a trace when unpickled."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return (open, (str(self.trace), 'w'))


def test_a_pickle_is_refused_unread(tmp_path):
    file, trace = tmp_path / 'model.safetensors', tmp_path / 'trace'
    file.write_bytes(pickle.dumps(Bomb(trace)))
    refuses(file, 'not a whole safetensors file')
    torch.save({'weight': torch.zeros(3)}, file)
    refuses(file, 'not a whole safetensors file')
    assert not trace.exists()


def test_safetensors_of_another_program_are_refused(file):
    save_file({'weight': torch.zeros(3)}, file)
    refuses(file, 'something else')


def test_another_format_version_is_named_with_the_one_we_read(file):
    rewrite(file, {'format_version': '99'})
    refuses(file, 'version 99.*version 1')


@pytest.mark.parametrize(
    ('config', 'message'),
    [
        (None, 'describes no network'),
        ('{', 'describes no network'),
        ('[]', 'describes no network'),
        ('[' * 100_000, 'describes no network'),
        ('{"fusoin": "ca_a"}', 'Did you mean fusion'),
        ('{"fusion": "ca_z"}', 'must be one of'),
        ('{"lstm_hidden": 1e400}', 'describes no network'),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(file, config, message):
    rewrite(file, {'config': config})
    refuses(file, message)


def test_tensors_missing_extra_or_misshapen_are_named(file):
    whole = file.read_bytes()
    rewrite(file, tensors={'pose_head.fc.bias': None})
    refuses(file, r'lacks pose_head\.fc\.bias')
    file.write_bytes(whole)
    rewrite(file, tensors={'surplus': torch.zeros(1)})
    refuses(file, 'surplus')
    file.write_bytes(whole)
    rewrite(file, tensors={'pose_head.fc.bias': torch.zeros(7)})
    refuses(file, r'pose_head\.fc\.bias.*\(7,\).*\(6,\)')


def test_a_configuration_of_other_sizes_than_its_weights_is_refused_before_memory_is_spent(file):
    # 4096 hidden states and 1024 channels over 4096 x 4096 px would be terabytes of LSTM weights.
    huge = config_with(file, visual_widths=[1024] * 5, image_height_px=4096, image_width_px=4096, lstm_hidden=4096)
    rewrite(file, {'config': huge})
    refuses(file, 'has shape')


@pytest.mark.parametrize('weights', [torch.full((6,), float('nan')), torch.zeros(6, dtype=torch.float64)])
def test_weights_that_are_not_finite_or_of_another_type_are_refused(file, weights):
    rewrite(file, tensors={'pose_head.fc.bias': weights})
    refuses(file, r'pose_head\.fc\.bias')


# ---- the shipped model


@pytest.mark.parametrize('models', ['models', 'share/atvio_ros/models'])
def test_the_shipped_model_is_found_in_the_source_tree_and_in_an_installation(tmp_path, monkeypatch, models):
    package = tmp_path / 'prefix' / 'lib' / 'python3' / 'atvio_ros' / 'resources.py'
    monkeypatch.setattr(resources, '__file__', str(package))
    assert card.default_model_path() is None
    shipped = tmp_path / 'prefix' / models / card.DEFAULT_MODEL_NAME
    shipped.parent.mkdir(parents=True)
    shipped.touch()
    assert card.default_model_path() == shipped


@pytest.mark.parametrize(
    'path', sorted((Path(__file__).parents[1] / 'models').glob('*.safetensors')), ids=lambda p: p.stem
)
def test_a_shipped_model_is_small_calibrated_and_says_where_it_comes_from(path):
    network, card = load_road(path) if is_road_file(path) else load_model(path)
    licence = 'Apache-2.0' if is_road_file(path) else 'CC BY-NC-SA'  # what is drawn and simulated by us alone is free
    assert path.stat().st_size < 15e6
    assert is_road_file(path) or network.config.name == path.stem
    assert card.trained
    assert card.commit
    assert card.noise.fitted_to
    assert is_road_file(path) or licence in card.training_data
    assert not re.search(r'/(home|root|work|tmp|Users)/', card.recipe + card.training_data + card.noise.fitted_to)
    text = path.with_suffix('.md').read_text(encoding='utf-8')
    assert licence in text
    assert 'Limits' in text
