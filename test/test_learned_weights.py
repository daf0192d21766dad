"""The weights of patches in numpy: those of the network, from its file, without PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from atvio_ros.errors import ModelError
from atvio_ros.network.card import ModelCard
from atvio_ros.network.patch_weights import PatchWeights
from atvio_ros.network.road_config import FIGURES, RoadConfig
from atvio_ros.network.road_file import save_road
from atvio_ros.network.road_network import RoadNetwork
from atvio_ros.odometry.patch_file import read_patch_weights
from atvio_ros.odometry.road_torch import weighing
from atvio_ros.road.learned_weights import shapes
from atvio_ros.road.patch_texture import TEXTURES, textures


def network(seed=0, **settings):
    torch.manual_seed(seed)
    made = RoadNetwork(RoadConfig(patch_width=8, **settings))
    torch.nn.init.normal_(made.patches.beside[-1].weight, std=0.5)
    return made


def figures(count, seed=0):
    return np.random.default_rng(seed).normal(size=(count, FIGURES)).astype(np.float32)


@pytest.mark.parametrize('settings', [{}, {'largest_log_weight': 0.7}, {'without': ('road',)}])
def test_numpy_gives_the_weights_that_pytorch_gives(tmp_path, settings):
    made = network(**settings)
    save_road(tmp_path / 'tiny.safetensors', made, ModelCard())
    read = read_patch_weights(tmp_path / 'tiny.safetensors')
    for count in (0, 1, 7, 20):
        seen = figures(count)
        with torch.no_grad():
            expected = made.patches(torch.from_numpy(seen)[None], torch.ones(1, count))[0].numpy()
        np.testing.assert_allclose(read(seen), expected, rtol=1e-5)
        np.testing.assert_array_equal(read(seen), weighing(made.patches)(seen))


def test_the_shapes_are_those_of_the_network():
    made = PatchWeights(RoadConfig(patch_width=5))
    assert {name: tuple(tensor.shape) for name, tensor in made.state_dict().items()} == shapes(5)


def test_half_precision_is_read_and_the_digest_follows_every_weight(tmp_path):
    made = network()
    save_road(tmp_path / 'half.safetensors', made, ModelCard(), half=True)
    half = read_patch_weights(tmp_path / 'half.safetensors')
    np.testing.assert_allclose(half(figures(9)), weighing(made.patches)(figures(9)), rtol=0.02)
    digests = {half.digest, weighing(made.patches).digest, weighing(network(1).patches).digest}
    assert len(digests) == 3


def test_a_file_of_something_else_is_refused_in_one_line(tmp_path):
    with pytest.raises(ModelError, match='no model file'):
        read_patch_weights(tmp_path / 'missing.safetensors')
    (tmp_path / 'text.safetensors').write_text('hello, this is text')
    with pytest.raises(ModelError, match='not a whole safetensors file'):
        read_patch_weights(tmp_path / 'text.safetensors')
    whole = tmp_path / 'whole.safetensors'
    made = network()
    save_road(whole, made, ModelCard())
    contents = whole.read_bytes()
    length = int.from_bytes(contents[:8], 'little')
    for size in (0, 5, 100, 8 + length, 8 + length + 40):
        (tmp_path / 'cut.safetensors').write_bytes(contents[:size])
        with pytest.raises(ModelError, match=r'Copy|Name another'):
            read_patch_weights(tmp_path / 'cut.safetensors')
    for wrong in (b'{"patches.each.0.weight":1}', b'[]', b'{"__metadata__":7}', b'[' * 5000):
        (tmp_path / 'wrong.safetensors').write_bytes(len(wrong).to_bytes(8, 'little') + wrong)
        with pytest.raises(ModelError):
            read_patch_weights(tmp_path / 'wrong.safetensors')


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_weights_that_are_no_numbers_are_refused(tmp_path, value):
    made = network()
    path = tmp_path / 'damaged.safetensors'
    save_road(path, made, ModelCard())
    good, bad = (np.float32(each).tobytes() for each in (made.patches.each[0].bias[0].item(), value))
    contents = path.read_bytes()
    assert contents.count(good) >= 1
    path.write_bytes(contents.replace(good, bad))
    with pytest.raises(ModelError, match='not finite'):
        read_patch_weights(path)


def test_textures_of_a_band_are_those_of_each_patch_alone():
    rng = np.random.default_rng(3)
    shown = rng.normal(0.0, 8.0, (40, 52)).astype(np.float32)
    columns = [(0, 10), (11, 21), (30, 42)]
    together = textures(shown, columns)
    assert together.shape == (3, TEXTURES)
    for (left, right), found in zip(columns, together, strict=True):
        alone = shown[:, left:right]
        contrast = alone.std() + 0.05
        rougher = (np.abs(np.diff(alone, axis=0)).mean() + 0.02) / (np.abs(np.diff(alone, axis=1)).mean() + 0.02)
        expected = np.log([contrast, rougher, np.abs(alone).max() / contrast + 0.1])
        np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert textures(shown, []).shape == (0, TEXTURES)
