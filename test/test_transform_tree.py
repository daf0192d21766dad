"""Where parts of a robot sit in each other, however the transforms between them are given."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from atvio_ros.errors import MessageError
from atvio_ros.geometry import inverse, transform, translation
from atvio_ros.transform_tree import MOST_FRAMES, TransformTree, lookup

TURNED_LEFT = Rotation.from_euler('z', 90, degrees=True).as_matrix()


def test_a_look_up_goes_through_the_common_ancestor():
    tree = TransformTree()
    tree.add('footprint', 'base_link', translation(0.0, 0.0, 0.2))
    tree.add('footprint', 'mast', transform(TURNED_LEFT, np.array([1.0, 0.0, 0.0])))
    assert tree.lookup('base_link', 'camera') is None
    tree.add('mast', 'camera', translation(1.0, 0.0, 1.0))
    T_base_camera = tree.lookup('base_link', 'camera')
    np.testing.assert_allclose(T_base_camera[:3, 3], [1.0, 1.0, 0.8], atol=1e-9)
    np.testing.assert_allclose(T_base_camera[:3, 0], [0.0, 1.0, 0.0], atol=1e-9)
    np.testing.assert_allclose(tree.lookup('camera', 'base_link'), inverse(T_base_camera), atol=1e-9)
    assert tree.frames == ['base_link', 'camera', 'footprint', 'mast']


def test_a_frame_in_itself_is_where_it_is_though_nobody_spoke_of_it():
    np.testing.assert_array_equal(TransformTree().lookup('camera', 'camera'), np.eye(4))


@pytest.mark.parametrize('spelling', ['mast', '/mast'])
def test_frames_of_ros_1_with_their_leading_slash_are_the_same_frames(spelling):
    tree = TransformTree({('base_link', spelling): translation(1.0, 0.0, 0.0)})
    tree.add('/mast', 'camera', translation(0.0, 0.0, 2.0))
    np.testing.assert_allclose(tree.lookup('/base_link', 'camera')[:3, 3], [1.0, 0.0, 2.0])


def test_a_newer_transform_replaces_an_older_one_also_under_another_parent():
    tree = TransformTree({('base_link', 'camera'): translation(1.0, 0.0, 0.0)})
    tree.add('base_link', 'camera', translation(2.0, 0.0, 0.0))
    assert tree.lookup('base_link', 'camera')[0, 3] == 2.0
    tree.add('mast', 'camera', translation(3.0, 0.0, 0.0))
    assert tree.lookup('base_link', 'camera') is None
    assert tree.lookup('mast', 'camera')[0, 3] == 3.0


def test_a_tree_that_bites_its_tail_is_searched_once():
    tree = TransformTree({('a', 'b'): np.eye(4), ('b', 'a'): np.eye(4)})
    assert tree.lookup('a', 'elsewhere') is None
    np.testing.assert_array_equal(tree.lookup('a', 'b'), np.eye(4))


def test_transforms_kept_in_a_dictionary_are_looked_up_in_the_same_way():
    transforms = {('base_link', 'mast'): translation(0.0, 0.0, 1.0), ('mast', 'camera'): translation(1.0, 0.0, 0.0)}
    np.testing.assert_array_equal(lookup(transforms, 'camera', 'base_link'), translation(-1.0, 0.0, -1.0))
    assert lookup(transforms, 'base_link', 'lidar') is None


def test_frames_without_end_are_refused_and_those_that_are_known_still_move():
    tree = TransformTree()
    for i in range(MOST_FRAMES):
        tree.add('base_link', f'frame_{i}', np.eye(4))
    with pytest.raises(MessageError, match='more than 50000 frames'):
        tree.add('base_link', 'one more', np.eye(4))
    tree.add('base_link', 'frame_7', translation(1.0, 0.0, 0.0))
    assert tree.lookup('base_link', 'frame_7')[0, 3] == 1.0
