"""What pip has to install is asked for in one line, by those who need it only: the road on a robot needs none of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from atvio_ros.errors import NodeError
from atvio_ros.missing import FROM_PIP, missing_package

ROOT = Path(__file__).resolve().parents[1]
WITHOUT = f"""
import sys
for name in {list(FROM_PIP)!r}:
    sys.modules[name] = None  # cannot be imported
    try:
        __import__(name)
    except ModuleNotFoundError as error:
        assert error.name == name
"""


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, '-c', WITHOUT + code, *arguments]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)


def test_the_node_with_the_road_estimator_needs_nothing_from_pip():
    pytest.importorskip('rclpy', reason='no ROS 2 here: run `make test`, which sets one up')
    done = python(
        """
from atvio_ros.ros.node import load_estimator
from atvio_ros.ros.parameters import NodeParameters
import atvio_ros.ros.session
estimator = load_estimator(NodeParameters())
estimator.warm_up()
print(estimator.kind)
"""
    )
    assert (done.returncode, done.stdout.strip()) == (0, 'road'), done.stderr


def test_the_node_says_what_a_network_needs_and_what_needs_none():
    pytest.importorskip('rclpy', reason='no ROS 2 here: run `make test`, which sets one up')
    done = python(
        """
from atvio_ros.errors import NodeError
from atvio_ros.ros.node import load_estimator
from atvio_ros.ros.parameters import NodeParameters
try:
    load_estimator(NodeParameters(estimator='network'))
except NodeError as error:
    print(error)
"""
    )
    assert 'the Python package torch is missing: python3 -m pip install torch' in done.stdout, done.stderr
    assert 'set estimator to road' in done.stdout


@pytest.mark.parametrize(
    ('code', 'program'),
    [
        ("from atvio_ros.ros.starting import run; run('atvio_player', 'atvio_ros.ros.player')", 'atvio_player'),
        ("from atvio_ros.cli.main import main; sys.exit(main(['check', 'bag']))", 'atvio check'),
    ],
)
def test_what_reads_bags_asks_for_rosbags_in_one_line(code, program):
    if program == 'atvio_player':
        pytest.importorskip('rclpy', reason='no ROS 2 here: run `make test`, which sets one up')
    done = python(code)
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith(f'{program}: the Python package ')
    assert 'pip install' in line


def test_other_modules_are_not_ours_to_judge():
    assert missing_package(ModuleNotFoundError("No module named 'numpy'", name='numpy')) == ''
    assert 'pip install torch' in missing_package(ModuleNotFoundError('torch.nn', name='torch.nn'))


def test_a_build_without_models_has_no_odometry_of_random_weights(monkeypatch):
    pytest.importorskip('rclpy', reason='no ROS 2 here: run `make test`, which sets one up')
    from atvio_ros.network import card
    from atvio_ros.odometry import estimators
    from atvio_ros.ros.node import load_estimator
    from atvio_ros.ros.parameters import NodeParameters

    monkeypatch.setattr(card, 'find_resource', lambda name: None)
    with pytest.raises(NodeError, match=r'not installed.*set estimator to road'):
        load_estimator(NodeParameters(estimator='network', device='cpu'))
    monkeypatch.setattr(estimators, 'default_model_path', card.default_model_path)
    road = load_estimator(NodeParameters())
    assert (road.kind, road.trained) == ('road', True)
    assert 'nothing learned' in road.name
