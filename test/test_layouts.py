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


def test_rviz_draws_both_paths_wide_and_the_odometry_on_top(rviz):
    odometry, truth = displays(rviz)['Odometry'], displays(rviz)['Ground truth']
    assert {each['Line Style'] for each in (odometry, truth)} == {'Billboards'}
    assert odometry['Offset']['Z'] > 0.0
    assert truth['Topic']['Durability Policy'] == 'Transient Local'  # it comes once, and after each loop
    pose = displays(rviz)['Pose']['Covariance']
    assert (pose['Position']['Value'], pose['Orientation']['Value']) == (True, False)


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
