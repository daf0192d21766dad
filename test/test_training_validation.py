"""Figures of held-out stretches, long and short."""

import pytest
import torch

pytest.importorskip('lightning', reason='training needs Lightning: pip install atvio_ros[train]')

from atvio_ros.training.validation import mean_figures, stretch_figures


def test_short_stretches_are_judged_by_their_end_error():
    straight = torch.zeros(20, 6).double().numpy()
    straight[:, 2] = 1.0
    figures = stretch_figures('short', 1.1 * straight, straight)
    assert figures.segments == 0
    assert figures.t_rel == pytest.approx(10.0)
    assert figures.r_rel == pytest.approx(0.0)


def test_long_stretches_outweigh_short_ones():
    straight = torch.zeros(400, 6).double().numpy()
    straight[:, 2] = 1.0
    long, short = (stretch_figures('s', k * straight[:n], straight[:n]) for k, n in ((1.02, 400), (1.5, 20)))
    assert long.segments > 0
    assert mean_figures([long, short])['val/t_rel'] == pytest.approx(long.t_rel)
