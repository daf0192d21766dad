"""The road branch of the network road: a shifted pattern gives the shift, in cells, and nothing gives nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from atvio_ros.errors import SettingsError
from atvio_ros.network.road_config import BANDS, RoadConfig
from atvio_ros.network.road_matching import RoadMatcher, RoadViews, joint_likelihood

CONFIG = RoadConfig()
NEAR = 2.5
MOTIONLESS = CONFIG.backward  # index of shift 0


@pytest.fixture(scope='module')
def matcher() -> RoadMatcher:
    torch.manual_seed(0)
    return RoadMatcher(CONFIG).eval()


def texture(rows: int, seed: int = 0) -> NDArray[np.float32]:
    """(rows, columns) of grey levels beside their mean, coarser than a cell."""
    fine = np.random.default_rng(seed).normal(0.0, 8.0, (rows + 2, CONFIG.columns)).astype(np.float32)
    return (fine[:-2] + fine[1:-1] + fine[2:]) / 3.0


def views(older: NDArray[np.float32], newer: NDArray[np.float32]) -> RoadViews:
    z = NEAR + CONFIG.cell * (CONFIG.rows - 1 - np.arange(CONFIG.rows))
    bands = np.array([(z >= first * NEAR) & (z <= last * NEAR) for first, last in BANDS], dtype=np.float32)
    depth = np.array([[NEAR * 0.5 * (first + last) for first, last in BANDS]], dtype=np.float32)
    pair = (torch.from_numpy(np.ascontiguousarray(view))[None] for view in (older, newer))
    return RoadViews(
        *pair,
        torch.ones(1, CONFIG.rows, CONFIG.columns),
        torch.from_numpy(bands)[None],
        torch.from_numpy(depth),
        torch.tensor([CONFIG.cell]),
    )


def driven(shift: int, seed: int = 0) -> RoadViews:
    """A robot that moves `shift` cells forward: what is near now was farther up, among lesser rows, before."""
    road = texture(CONFIG.rows + 200, seed)
    return views(road[100 + shift : 100 + shift + CONFIG.rows], road[100 : 100 + CONFIG.rows])


@pytest.mark.parametrize('shift', [-9, 0, 4, 31, 75])
def test_a_shifted_road_gives_the_shift(matcher, shift):
    with torch.inference_mode():
        curves, _ = matcher(driven(shift))
    # A robot that reverses has not seen its nearest band before.
    bands = slice(1, 3) if shift < 0 else slice(0, 2)
    assert (curves[0].argmax(dim=1) - MOTIONLESS).tolist()[bands] == [shift, shift]


def test_views_without_texture_say_nothing(matcher):
    blank = np.zeros((CONFIG.rows, CONFIG.columns), np.float32)
    with torch.inference_mode():
        curves, _ = matcher(views(blank, blank))
    assert float(curves.std(dim=2).max()) < 1e-4


def test_a_patch_that_is_seen_in_part_says_nothing(matcher):
    shown = driven(30)
    with torch.inference_mode():
        curves, _ = matcher(shown._replace(seen=torch.zeros_like(shown.seen)))
    assert float(curves.abs().max()) < 1e-4


def test_a_shift_that_takes_a_band_out_of_view_is_not_judged(matcher):
    with torch.inference_mode():
        curves, present = matcher(driven(10))
    far = present[0, -1]
    assert 0 < int((far < 0.5).sum()) < CONFIG.shifts
    assert float(curves[0, -1][far < 0.5].std()) < 1e-5


def test_a_batch_gives_what_its_pairs_give_alone(matcher):
    both = [driven(12, seed=1), driven(40, seed=2)]
    joined = RoadViews(*(torch.cat(parts) for parts in zip(*both, strict=True)))
    with torch.inference_mode():
        together, _ = matcher(joined)
        alone = torch.cat([matcher(one)[0] for one in both])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)


def test_a_tilted_view_is_explained_by_its_tilt():
    """Bands that peak at s (1 + 2 z d) agree on one s and d."""
    tilt, shift = np.radians(0.6), 40.0
    depth = torch.tensor([[3.0, 4.0, 5.0, 6.0]])
    index = torch.arange(CONFIG.shifts) - CONFIG.backward
    seen = shift * (1.0 + 2.0 * depth[0] * tilt)
    curves = (-2.0 * ((index - seen[:, None]) / 1.5).square())[None]
    steps, tilts = torch.arange(-10.0, 100.0), torch.deg2rad(torch.arange(-1.2, 1.21, 0.1))
    joint = joint_likelihood(curves, depth, CONFIG.backward, steps, tilts)
    assert joint.shape == (1, len(steps), len(tilts))
    v, t = divmod(int(joint[0].argmax()), len(tilts))
    assert (float(steps[v]), float(tilts[t])) == (shift, pytest.approx(tilt, abs=np.radians(0.05)))
    alone = joint_likelihood(curves, depth, CONFIG.backward, torch.tensor([[shift]]), tilts)
    torch.testing.assert_close(alone[0, 0], joint[0, v])


def test_learned_features_have_a_gradient_and_correlation_alone_needs_none():
    torch.manual_seed(0)
    for features in (0, 4):
        matcher = RoadMatcher(RoadConfig(features=features))
        torch.nn.init.normal_(matcher.patch[-1].weight, std=0.01)
        curves, _ = matcher(driven(20))
        curves[0, :, MOTIONLESS + 20].sum().backward()
        assert all(weight.grad is not None for weight in matcher.patch.parameters())
        assert features == 0 or float(matcher.encoder[0].weight.grad.abs().sum()) > 0.0


def test_lengths_that_do_not_fit_are_refused():
    with pytest.raises(SettingsError, match='multiples of stride'):
        RoadConfig(rows=301)
    with pytest.raises(SettingsError, match="'sonar' is no source"):
        RoadConfig(without=('sonar',))
