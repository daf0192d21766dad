"""The median of few numbers is numpy's."""

from __future__ import annotations

import numpy as np
import pytest

from atvio_ros.median import median


@pytest.mark.parametrize('count', [1, 2, 3, 8, 201])
def test_it_is_the_median_of_numpy(count):
    values = np.random.default_rng(count).normal(size=count)
    assert median(values) == np.median(values)


def test_it_is_not_known_where_a_number_is_not():
    assert np.isnan(median(np.array([1.0, np.nan, 2.0])))
