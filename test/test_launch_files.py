"""What the launch files start, in which order, and what they refuse before anything runs."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import yaml

pytest.importorskip('rclpy', reason='no ROS 2 here: run `make test`, which sets one up')

from ament_index_python.packages import PackageNotFoundError
from samples import launch_fakes
from samples.launch_fakes import LAUNCH_FILES, context

from atvio_ros.errors import NodeError, SettingsError
from atvio_ros.rig.camera_info import is_rectified_topic
from atvio_ros.ros import launching


@pytest.fixture
def atvio(monkeypatch):
    return launch_fakes.load('atvio.launch.py', monkeypatch)


@pytest.fixture
def replay(monkeypatch):
    return launch_fakes.load('kitti_replay.launch.py', monkeypatch)


def exited(name: str, returncode: int) -> SimpleNamespace:
    return SimpleNamespace(process_name=f'{name}-1', returncode=returncode)


def test_viewers_that_are_not_installed_are_a_warning_with_the_package_to_install(atvio, monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(launching, 'get_package_prefix', missing)
    made = atvio.viewers(context(atvio, rviz='true', foxglove='True'))
    assert [each.kind for each in made] == ['LogInfo', 'LogInfo']
    assert 'apt install ros-$ROS_DISTRO-rviz2' in made[0]['msg']
    assert 'apt install ros-$ROS_DISTRO-foxglove-bridge' in made[1]['msg']


def test_viewers_that_are_installed_are_started_where_asked_for(atvio, monkeypatch):
    monkeypatch.setattr(launching, 'get_package_prefix', lambda name: '/opt')
    assert atvio.viewers(context(atvio)) == []
    (rviz,) = atvio.viewers(context(atvio, rviz='true', namespace='robot', image_topic='front/image'))
    assert (rviz.kind, rviz['package']) == ('Node', 'rviz2')
    assert dict(rviz['remappings']) == {
        '/odometry': '/robot/odometry',
        '/path': '/robot/path',
        '/atvio_node/debug_image': '/robot/atvio_node/debug_image',
        '/camera/image_raw': '/robot/front/image',
    }
    (foxglove,) = atvio.viewers(context(atvio, foxglove='true'))
    assert foxglove['package'] == 'foxglove_bridge'


def test_the_node_is_started_last_so_that_nothing_that_fails_before_leaves_it_running(atvio):
    (entities,) = atvio.generate_launch_description().given
    steps = [each['function'] for each in entities if each.kind == 'OpaqueFunction']
    assert entities[-1].kind == 'OpaqueFunction'
    assert steps == [atvio.check, atvio.viewers, atvio.odometry_node]


@pytest.mark.parametrize(
    ('argument', 'value', 'words'),
    [
        ('params_file', '/nowhere/my.yaml', r'params_file:=/nowhere/my\.yaml names no file'),
        ('rig', 'rig.yml', r'rig:=rig\.yml names no file \(looked for in'),
        ('camera_height', 'high', r"camera_height must be a number above 0, not 'high'"),
        ('camera_height', '-1', 'camera_height must be a number above 0, not -1'),
    ],
)
def test_arguments_that_cannot_be_used_are_refused_before_anything_runs(atvio, argument, value, words):
    with pytest.raises(SettingsError, match=words):
        atvio.check(context(atvio, **{argument: value}))


@pytest.mark.parametrize(('argument', 'value'), [('bag', '/nowhere'), ('bag', ''), ('rate', '0'), ('rate', 'nan')])
def test_a_replay_that_cannot_begin_is_refused(replay, argument, value, tmp_path):
    given = {'bag': str(tmp_path), 'rate': '1.0'}
    assert replay.check(context(replay, **given)) == []
    with pytest.raises(SettingsError, match=argument):
        replay.check(context(replay, **{**given, argument: value}))


def test_a_whole_number_is_a_height_too_and_reaches_the_node_as_a_decimal(atvio):
    (node,) = atvio.odometry_node(context(atvio, camera_height='1'))
    height = node['parameters'][1]['camera_height']
    assert height == 1.0
    assert isinstance(height, float)


def test_the_end_of_the_bag_ends_the_replay_after_the_last_images(replay):
    (timer,) = replay.on_exit(exited('atvio_player', 0), context(replay))
    assert timer.kind == 'TimerAction'
    assert timer['actions'][0]['event'].kind == 'Shutdown'


@pytest.mark.parametrize(
    ('name', 'status'), [('atvio_player', 1), ('atvio_node', 1), ('atvio_node', -9), ('atvio_node', 0)]
)
def test_a_replay_fails_when_player_or_node_do(replay, name, status):
    with pytest.raises(RuntimeError, match=f'{name} ended with status {status}'):
        replay.on_exit(exited(name, status), context(replay))


def test_processes_that_end_with_everything_or_are_viewers_are_no_failure(replay):
    assert replay.on_exit(exited('rviz2', 1), context(replay)) == []
    ending = context(replay)
    ending.is_shutdown = True
    assert replay.on_exit(exited('atvio_node', 0), ending) == []


def test_a_replay_passes_on_arguments_that_both_files_have(atvio, replay):
    names = [{each.given[0] for each in file.ARGUMENTS} for file in (atvio, replay)]
    assert set(replay.PASSED_ON) <= names[0] & names[1]
    # Whatever else --show-args lists is not overridden.
    (entities,) = replay.generate_launch_description().given
    (include,) = [each for each in entities if each.kind == 'IncludeLaunchDescription']
    assert [name for name, _ in include['launch_arguments']] == list(replay.PASSED_ON)


@pytest.mark.parametrize('name', ['fusion.launch.py', 'rectified.launch.py'])
def test_launch_files_for_other_packages_are_refused_without_them(name, monkeypatch):
    file = launch_fakes.load(name, monkeypatch)
    monkeypatch.setattr(launching, 'missing_package', lambda name: f'{name} is not installed')
    with pytest.raises(NodeError, match='is not installed'):
        file.check(context(file))
    (entities,) = file.generate_launch_description().given
    steps = [each for each in entities if each.kind != 'DeclareLaunchArgument']
    assert steps[0]['function'] is file.check


@pytest.mark.parametrize(('tf', 'of_node', 'of_filter'), [('filter', 'false', True), ('atvio', 'true', False)])
def test_with_a_filter_one_of_the_two_broadcasts_the_transform(tf, of_node, of_filter, monkeypatch):
    fusion = launch_fakes.load('fusion.launch.py', monkeypatch)
    (include,) = fusion.odometry(context(fusion, tf=tf))
    assert dict(include['launch_arguments'])['publish_tf'] == of_node
    (ekf,) = fusion.filters(context(fusion, tf=tf))
    assert ekf['parameters'][1]['publish_tf'] is of_filter


def test_with_gps_there_is_a_second_filter_that_the_fixes_go_to(monkeypatch):
    fusion = launch_fakes.load('fusion.launch.py', monkeypatch)
    nodes = {node['name']: node for node in fusion.filters(context(fusion, gps='true'))}
    assert list(nodes) == ['ekf_filter_node_odom', 'ekf_filter_node_map', 'navsat_transform_node']
    settings = yaml.safe_load((LAUNCH_FILES.parent / 'config' / 'robot_localization.yaml').read_text())
    assert settings.keys() == nodes.keys()
    smooth, jumping = (settings[name]['ros__parameters'] for name in list(nodes)[:2])
    assert (smooth['world_frame'], jumping['world_frame']) == ('odom', 'map')
    assert any(jumping['odom2_config'][:2])  # positions of GPS
    for parameters in (smooth, jumping):  # of odometry the velocities: its poses drift
        for source in ('odom0', 'odom1'):
            config = parameters[f'{source}_config']
            assert len(config) == 15
            assert not any(config[:6])
            assert config[6]


def test_rectified_images_are_known_as_such_by_their_topic(monkeypatch):
    rectified = launch_fakes.load('rectified.launch.py', monkeypatch)
    assert is_rectified_topic(context(rectified).values['rectified_topic'])


@pytest.mark.parametrize(
    ('topic', 'namespace', 'absolute'),
    [
        ('odometry', '', '/odometry'),
        ('odometry', 'robot', '/robot/odometry'),
        ('camera/image', '/fleet/robot/', '/fleet/robot/camera/image'),
        ('/camera/image', 'robot', '/camera/image'),
    ],
)
def test_topics_are_resolved_as_ros_does(topic, namespace, absolute):
    assert launching.resolved(topic, namespace) == absolute
