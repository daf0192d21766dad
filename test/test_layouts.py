"""The layouts for RViz and Foxglove show what the node publishes and what odometry.mcap holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from atvio_ros.bags import topics

CONFIG = Path(__file__).resolve().parents[1] / 'config'
RECORDED = {
    topics.ODOMETRY_TOPIC, topics.POSE_TOPIC, topics.PATH_TOPIC, topics.TRUTH_PATH_TOPIC, topics.IMAGE_TOPIC,
    topics.CAMERA_INFO_TOPIC, topics.DEBUG_IMAGE_TOPIC,
}  # fmt: skip
LIVE = {'/status'}


@pytest.fixture(scope='module')
def rviz() -> dict[str, Any]:
    return yaml.safe_load((CONFIG / 'atvio.rviz').read_text())


@pytest.fixture(scope='module')
def foxglove() -> dict[str, Any]:
    return json.loads((CONFIG / 'foxglove.json').read_text())


def displays(rviz: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {display['Name']: display for display in rviz['Visualization Manager']['Displays']}


def test_rviz_shows_trajectory_truth_camera_and_what_is_seen(rviz):
    shown = {display['Topic']['Value'] for display in displays(rviz).values() if 'Topic' in display}
    assert shown == RECORDED - {topics.POSE_TOPIC, topics.CAMERA_INFO_TOPIC}


def test_rviz_leaves_its_window_to_the_drive(rviz):
    """The Time panel makes the window taller than most screens, and docks that are not said are random."""
    assert [panel['Class'] for panel in rviz['Panels']] == ['rviz_common/Displays']
    assert rviz['Window Geometry'] == {'Width': 1400, 'Height': 900, 'Hide Left Dock': False, 'Hide Right Dock': False}


# What was tried in a real RViz 14.3 (1400 x 900 px) and made the drive readable.
LEGIBLE = {
    'Grid (10 m)': {'Plane Cell Count': 200, 'Cell Size': 10, 'Alpha': 0.3},
    'TF': {'Marker Scale': 40, 'Show Arrows': False, 'Show Names': True, 'Filter (whitelist)': '^(odom|base_link)$'},
    'Ground truth': {'Color': '200; 200; 200', 'Line Style': 'Billboards', 'Line Width': 0.6},
    'Odometry': {'Color': '255; 80; 80', 'Line Style': 'Billboards', 'Line Width': 0.6},
}


@pytest.mark.parametrize('name', LEGIBLE)
def test_rviz_draws_what_can_be_seen_from_above(rviz, name):
    display = displays(rviz)[name]
    assert {key: display[key] for key in LEGIBLE[name]} == LEGIBLE[name]
    assert display['Enabled'] is display['Value'] is True


def test_rviz_is_dark_enough_for_grey_and_follows_the_robot(rviz):
    manager = rviz['Visualization Manager']
    assert manager['Global Options']['Background Color'] == '48; 48; 48'
    assert manager['Global Options']['Fixed Frame'] == topics.ODOM_FRAME
    assert manager['Views']['Current']['Target Frame'] == topics.BASE_FRAME


def test_rviz_draws_the_odometry_over_the_truth_which_comes_once(rviz):
    assert displays(rviz)['Odometry']['Offset']['Z'] == 0.1
    assert displays(rviz)['Ground truth']['Topic']['Durability Policy'] == 'Transient Local'  # and after each loop


def test_rviz_draws_uncertainty_that_covers_nothing(rviz):
    covariance = displays(rviz)['Pose']['Covariance']
    assert (covariance['Position']['Value'], covariance['Position']['Alpha']) == (True, 0.3)
    assert covariance['Orientation']['Value'] is False


def panels(layout: Any) -> Iterator[str]:
    if isinstance(layout, str):
        yield layout
    else:
        yield from panels(layout['first'])
        yield from panels(layout['second'])


def test_foxglove_has_a_setting_for_each_panel_and_a_panel_for_each_setting(foxglove):
    assert sorted(panels(foxglove['layout'])) == sorted(foxglove['configById'])


def test_foxglove_shows_topics_that_there_are(foxglove):
    settings = foxglove['configById']
    named = set(settings['3D!atvio']['topics'])
    for setting in settings.values():
        named |= {value for key, value in setting.get('imageMode', {}).items() if key.endswith('Topic')}
        named |= {path['value'].partition('.')[0] for path in setting.get('paths', [])}
    assert named == RECORDED | LIVE
