"""What does not need PyTorch does not import it: it takes seconds and hundreds of megabytes. So it is with scipy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from samples.command_line import call
from samples.models import write_tiny_model

ROOT = Path(__file__).resolve().parents[1]


FORBID = """
import sys

class Forbidden:
    def find_spec(self, name, path=None, target=None):
        if name in {names}:
            raise ModuleNotFoundError(f'No module named {{name!r}}', name=name)

sys.meta_path.insert(0, Forbidden())
"""
RUN = 'from atvio_ros.cli.main import main\nsys.exit(main(sys.argv[1:]))'


def process(code: str, *arguments: object, without: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, '-c', FORBID.format(names=without) + code, *map(str, arguments)]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)


def python(code: str, *arguments: object) -> str:
    """What a process prints in which PyTorch cannot be imported."""
    done = process(code, *arguments, without=('torch', 'safetensors', 'onnx'))
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope='module')
def exported(tmp_path_factory) -> Path:
    pytest.importorskip('onnx', reason='exports need onnx: `make setup` has it')
    folder = tmp_path_factory.mktemp('exported')
    source = write_tiny_model(folder / 'tiny.safetensors', inertial_encoder='conv1d', fusion='ca_a')
    assert call('export-onnx', '--model', source, '--out', folder / 'tiny.onnx') == 0
    return source


def test_run_with_the_road_estimator(tmp_path):
    from samples.road_bags import write_road

    python(RUN, 'run', write_road(tmp_path / 'bag', 4), '--out', tmp_path / 'out')
    assert (tmp_path / 'out' / 'result.json').exists()


# The model file has its export beside it.
@pytest.mark.parametrize(('command', 'suffix'), [('run', '.onnx'), ('evaluate', '.safetensors')])
def test_run_and_evaluate_with_an_exported_network(exported, command, suffix, tmp_path, tiny_drive):
    python(RUN, command, tiny_drive, '--model', exported.with_suffix(suffix), '--out', tmp_path / 'out')
    assert (tmp_path / 'out' / 'result.json').exists()


def test_the_node(exported):
    pytest.importorskip('rclpy', reason='no ROS 2 here: run `make test`, which sets one up')
    said = python(
        """
from atvio_ros.ros.node import load_estimator
from atvio_ros.ros.parameters import NodeParameters
import atvio_ros.ros.session
for parameters in (NodeParameters(), NodeParameters(model=sys.argv[1])):
    estimator = load_estimator(parameters)
    estimator.warm_up()
    print(estimator.kind, estimator.device, 'scipy.spatial' in sys.modules)  # nor that, which takes long, too
""",
        exported.with_suffix('.onnx'),
    )
    assert said.splitlines() == ['road cpu False', 'network cpu (ONNX Runtime) False']


def test_a_missing_onnxruntime_is_named(exported, tmp_path, tiny_drive):
    words = ['run', tiny_drive, '--out', tmp_path, '--model', exported.with_suffix('.onnx')]
    done = process(RUN, *words, without=('torch', 'onnxruntime'))
    assert done.returncode == 1
    assert 'the Python package onnxruntime is missing: python3 -m pip install onnxruntime' in done.stderr
    # A model file can still be run by PyTorch, which is what is asked for then.
    done = process(RUN, *words[:-1], exported, without=('torch', 'onnxruntime'))
    assert 'the Python package torch is missing' in done.stderr
