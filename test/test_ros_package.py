"""The package as ROS sees it: messages, stand-ins, parameters, launch files."""

import ast
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

pytest.importorskip('rclpy', reason='no ROS 2 here: run `make test`, which sets one up')

import rclpy
from message_filters import SimpleFilter
from node_process import REPOSITORY, NodeProcess, fresh_environment
from rclpy.context import Context
from rclpy.node import Node
from rclpy.parameter import Parameter

from atvio_ros.errors import AtvioError
from atvio_ros.message_decoding import image_pixels
from atvio_ros.ros.given_parameters import misspelt
from atvio_ros.ros.parameters import NodeParameters, declare_parameters, updated

TF_HASH = 'RIHS01_e369d0f05a23ae52508854b66f6aa0437f3449d652e8cbf22d5abe85d020f087'  # of ROS 2's own tf2_msgs


@pytest.fixture
def make_node(monkeypatch):
    environment = fresh_environment()
    context = Context()
    rclpy.init(context=context, domain_id=int(environment['ROS_DOMAIN_ID']))
    nodes = []

    def make(*overrides: Parameter) -> Node:
        nodes.append(Node('probe', context=context, parameter_overrides=list(overrides)))
        return nodes[-1]

    yield make
    for node in nodes:
        node.destroy_node()
    rclpy.try_shutdown(context=context)


@pytest.mark.parametrize('folder', ['source', 'elsewhere'])
def test_messages_and_modules_import_from_the_source_folder_and_from_elsewhere(folder, tmp_path):
    code = 'import atvio_ros.msg, atvio_ros.odometry; print(atvio_ros.msg.OdometryStatus().state)'
    where = REPOSITORY if folder == 'source' else tmp_path
    done = subprocess.run([sys.executable, '-c', code], cwd=where, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == '0'


def test_our_tf_message_is_the_real_one_on_the_wire():
    from ament_index_python import get_package_share_directory

    share = Path(get_package_share_directory('tf2_msgs'), 'msg', 'TFMessage.json')
    hashes = {each['type_name']: each['hash_string'] for each in json.loads(share.read_text())['type_hashes']}
    assert hashes['tf2_msgs/msg/TFMessage'] == TF_HASH


def test_a_filter_hands_every_message_to_all_who_registered_in_order_with_their_arguments():
    heard = []
    source = SimpleFilter()
    source.registerCallback(lambda *message: heard.append(('first', *message)))
    source.registerCallback(lambda *message: heard.append(('second', *message)), 'extra')
    source.signalMessage(1, 2)
    assert heard == [('first', 1, 2), ('second', 1, 2, 'extra')]


def test_every_parameter_is_described_and_numbers_have_a_range(make_node):
    node = make_node()
    declare_parameters(node)
    for name in NodeParameters.__dataclass_fields__:
        descriptor = node.describe_parameter(name)
        assert len(descriptor.description) > 15, name
        value = getattr(NodeParameters(), name)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            assert descriptor.integer_range or descriptor.floating_point_range, name


@pytest.mark.parametrize(
    ('name', 'value', 'part'),
    [
        ('device', 'gpu', 'must be one of auto, cuda, cpu'),
        ('base_to_camera', [1.0, 2.0], 'must have 7 numbers'),
        ('queue_limit', 0, 'queue_limit'),
        ('queue_limit', 1.5, 'queue_limit'),
    ],
)
def test_a_bad_parameter_is_refused_with_its_name_and_the_fix(make_node, name, value, part):
    with pytest.raises(AtvioError, match=name) as refused:
        declare_parameters(make_node(Parameter(name, value=value)))
    assert part in str(refused.value)
    assert '\n' not in str(refused.value)


def test_at_run_time_a_good_change_is_taken_and_a_bad_one_refused_with_a_reason():
    before = NodeParameters()
    after, result = updated(before, [Parameter('publish_tf', value=False)])
    assert result.successful
    assert not after.publish_tf
    same, result = updated(after, [Parameter('path_length', value=0)])
    assert same == after
    assert not result.successful
    assert 'path_length must be at least 1' in result.reason


def test_every_parameter_is_in_the_manual_with_its_meaning():
    manual = (REPOSITORY / 'docs' / 'ros.md').read_text()
    for name, field in NodeParameters.__dataclass_fields__.items():
        rows = [line for line in manual.splitlines() if line.startswith(f'| `{name}` |')]
        assert any(field.metadata['description'] in row for row in rows), name


@pytest.mark.parametrize('name', ['atvio.yaml', 'kitti.yaml'])
def test_shipped_parameter_files_name_only_parameters_that_exist(name):
    parameters = yaml.safe_load((REPOSITORY / 'config' / name).read_text())['/**']['ros__parameters']
    assert set(parameters) <= set(NodeParameters.__dataclass_fields__)


@pytest.mark.parametrize('file', sorted((REPOSITORY / 'launch').glob('*.launch.py')), ids=lambda path: path.name)
def test_launch_files_declare_every_argument_with_a_description(file):
    tree = ast.parse(file.read_text())
    declared = [
        call
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and ast.unparse(call.func) == 'DeclareLaunchArgument'
    ]
    described = [call for call in declared if any(keyword.arg == 'description' for keyword in call.keywords)]
    assert declared
    assert described == declared
    used = {
        ast.literal_eval(call.args[0])
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and ast.unparse(call.func) == 'LaunchConfiguration'
        and isinstance(call.args[0], ast.Constant)
    }
    assert used <= {ast.literal_eval(call.args[0]) for call in declared}


@pytest.mark.parametrize('name', ['atvio.launch.py', 'kitti_replay.launch.py'])
def test_launch_files_make_a_launch_description(name):
    pytest.importorskip('launch_ros', reason='PyPI has no launch: this runs on a ROS 2 installation')
    spec = importlib.util.spec_from_file_location('launch_file', REPOSITORY / 'launch' / name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.generate_launch_description().entities


def load_drop_in(name: str):
    spec = importlib.util.spec_from_file_location(f'drop_in_{name}', REPOSITORY / 'pypi_ros' / name / '__init__.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(('shape', 'encoding'), [((3, 5), 'mono8'), ((3, 5, 3), 'rgb8'), ((3, 5, 3), 'bgr8')])
def test_the_stand_in_of_cv_bridge_makes_images_that_hold_their_pixels(shape, encoding):
    pixels = np.random.default_rng(1).integers(0, 255, shape, np.uint8)
    message = load_drop_in('cv_bridge').CvBridge().cv2_to_imgmsg(pixels, encoding)
    decoded = image_pixels(message)  # grey or RGB
    np.testing.assert_array_equal(decoded[..., ::-1] if encoding == 'bgr8' else decoded, pixels)
    assert (message.height, message.width, message.step) == (3, 5, 5 * pixels.size // 15)


@pytest.mark.parametrize(
    ('image', 'encoding'),
    [(np.zeros((3, 5)), 'mono8'), (np.zeros((3, 5), np.uint8), 'bgr8'), (np.zeros((3, 5, 3), np.uint8), 'jpeg')],
)
def test_the_stand_in_of_cv_bridge_refuses_what_does_not_fit(image, encoding):
    drop_in = load_drop_in('cv_bridge')
    with pytest.raises(drop_in.CvBridgeError):
        drop_in.CvBridge().cv2_to_imgmsg(image, encoding)


def test_what_is_not_said_of_the_robot_has_no_value_and_can_be_said_later(make_node):
    parameters = declare_parameters(make_node(Parameter('gyro_lag', value=0.05)))
    assert (parameters.camera_height, parameters.base_to_imu, parameters.gyro_lag) == (None, (), 0.05)
    assert parameters.robot.T_base_imu is None
    changed, answer = updated(parameters, [Parameter('base_to_imu', value=[0.0] * 6 + [1.0])], configured=False)
    assert answer.successful
    np.testing.assert_array_equal(changed.robot.T_base_imu, np.eye(4))
    same, answer = updated(parameters, [Parameter('base_to_imu', value=[0.0] * 7)], configured=False)
    assert not answer.successful
    assert 'it must be 1' in answer.reason
    assert same is parameters


def test_whole_numbers_are_taken_for_decimals(make_node):
    given = [Parameter('max_image_gap', value=5), Parameter('base_to_imu', value=[0, 0, 0, 0, 0, 0, 1])]
    node = make_node(*given)
    parameters = declare_parameters(node)
    assert parameters.max_image_gap == 5.0
    assert node.get_parameter('max_image_gap').type_ == Parameter.Type.DOUBLE
    np.testing.assert_array_equal(parameters.robot.T_base_imu, np.eye(4))
    if hasattr(node, 'add_pre_set_parameters_callback'):  # not on Humble, where rclpy refuses them while running
        assert node.set_parameters([Parameter('max_image_gap', value=7)])[0].successful
        assert node.get_parameter('max_image_gap').value == 7.0


def test_what_was_given_and_is_no_parameter_is_named_with_the_one_that_was_meant():
    declared = ['use_sim_time', *NodeParameters.__dataclass_fields__]
    assert misspelt(['max_image_gap', 'use_sim_time', 'qos_overrides./tf.publisher.depth'], declared) == ''
    words = misspelt(['max_imgae_gap', 'colour', 'device'], declared)
    assert words.endswith('they do nothing: colour, max_imgae_gap (did you mean max_image_gap?)')


def test_a_misspelt_parameter_is_in_the_log_of_the_node():
    with NodeProcess({'max_imgae_gap': 1.0, 'autostart': False}) as process:
        process.wait_for_line('max_imgae_gap (did you mean max_image_gap?)')
        assert process.stop() == 0


@pytest.mark.parametrize(
    ('text', 'words'),
    [(None, 'there is no parameter file'), ('/**:\n  ros__parameters:\n    a: [1, x]\n', "Couldn't parse params file")],
)
@pytest.mark.parametrize('program', ['node', 'player'])
def test_a_parameter_file_that_cannot_be_used_is_one_line_and_status_1(program, text, words, tmp_path):
    file = tmp_path / 'my.yaml'
    if text is not None:
        file.write_text(text)
    done = subprocess.run(
        [sys.executable, '-m', f'atvio_ros.ros.{program}', '--ros-args', '--params-file', str(file)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    line = done.stderr.strip().splitlines()[-1]  # rcl has one of its own
    assert 'Traceback' not in done.stderr
    assert line.startswith(f'atvio_{program}: ')
    assert words in line
    assert 'my.yaml' in line
