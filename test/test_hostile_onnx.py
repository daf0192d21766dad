"""ONNX files of strangers: whatever stands in one, it runs or is refused in one line, and never ends the process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from samples.command_line import call
from samples.models import write_tiny_model

onnx = pytest.importorskip('onnx', reason='exports need onnx: pip install onnx onnxruntime, or `make setup`')
pytest.importorskip('onnxruntime', reason='ONNX files need onnxruntime: `make setup` has it')

from atvio_ros.errors import ModelError  # noqa: E402
from atvio_ros.odometry import onnx_check  # noqa: E402
from atvio_ros.odometry.loading import load_network  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
VARIATIONS = 40
# A crash of the library must not take the tests with it.
FUZZ = """
import random, sys
from pathlib import Path
from atvio_ros.errors import ModelError
from atvio_ros.odometry.loading import load_network

path = Path(sys.argv[1])
whole = path.read_bytes()
for seed in range(int(sys.argv[2])):
    rng, content = random.Random(seed), bytearray(whole)
    if seed % 3 == 0:
        del content[rng.randrange(len(content)) :]
    for _ in range(rng.choice((1, 8, 200)) if seed % 3 else 0):
        at = rng.randrange(len(content)) if seed % 2 else rng.randrange(4000)  # names and sizes stand there
        content[at] = rng.randrange(256)
    path.write_bytes(content)
    print(seed, flush=True)
    try:
        load_network(path).warm_up()
    except ModelError as error:
        assert str(path) in str(error) and '\\n' not in str(error), error
"""


@pytest.fixture(scope='module')
def written(tmp_path_factory) -> bytes:
    folder = tmp_path_factory.mktemp('written')
    source = write_tiny_model(folder / 'tiny.safetensors')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnx_check, 'DRIVE_PAIRS', 2)
        assert call('export-onnx', '--model', source, '--out', folder / 'tiny.onnx') == 0
    return (folder / 'tiny.onnx').read_bytes()


@pytest.fixture
def path(written, tmp_path) -> Path:
    path = tmp_path / 'tiny.onnx'
    path.write_bytes(written)
    return path


def refuses(path: Path, *changed: object) -> None:
    if changed:
        onnx.save(changed[0], path)
    with pytest.raises(ModelError) as caught:
        load_network(path)
    assert '\n' not in str(caught.value)
    assert str(path) in str(caught.value)
    assert 'again' in str(caught.value) or 'another model file' in str(caught.value)


def test_whatever_bytes_change_it_runs_or_is_refused_in_one_line(path):
    words = [sys.executable, '-c', FUZZ, str(path), str(VARIATIONS)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, (done.returncode, done.stdout.split()[-1:], done.stderr[-2000:])
    assert done.stdout.split()[-1] == str(VARIATIONS - 1)  # the library writes there, too


@pytest.mark.parametrize(
    'content', [b'', b'weights: none\n' * 50, b'{"format": "atvio_ros"}', b'\x80\x04K\x01.', bytes(5000)]
)
def test_what_is_no_onnx_file_is_refused(path, content):
    path.write_bytes(content)
    refuses(path)


@pytest.mark.parametrize('opset', [1, 9999])
def test_another_opset_is_refused(path, opset):
    graph = onnx.load(path)
    graph.opset_import[0].version = opset
    refuses(path, graph)


def test_operators_that_nobody_has_are_refused(path):
    graph = onnx.load(path)
    graph.graph.node[0].op_type = 'Exfiltrate'
    refuses(path, graph)


@pytest.mark.parametrize('name', ['images', 'hidden'])
def test_inputs_of_another_name_are_refused(path, name):
    graph = onnx.load(path)
    for each in (*graph.graph.input, *(node for node in graph.graph.node)):
        if hasattr(each, 'input'):
            each.input[:] = [f'{name}_2' if used == name else used for used in each.input]
        elif each.name == name:
            each.name = f'{name}_2'
    refuses(path, graph)


def test_an_input_more_is_refused(path):
    graph = onnx.load(path)
    graph.graph.input.append(onnx.helper.make_tensor_value_info('more', onnx.TensorProto.FLOAT, (1,)))
    refuses(path, graph)


@pytest.mark.parametrize(
    ('kind', 'shape'),
    [(onnx.TensorProto.FLOAT, (1, 1, 5)), (onnx.TensorProto.INT64, (1, 1, 6)), (onnx.TensorProto.FLOAT, ())],
)
def test_a_motion_of_another_form_is_refused(path, kind, shape):
    graph = onnx.load(path)
    place = next(i for i, each in enumerate(graph.graph.output) if each.name == 'motion')
    for node in graph.graph.node:
        node.output[:] = ['motion_before' if made == 'motion' else made for made in node.output]
    value = onnx.helper.make_tensor('value', kind, shape, np.zeros(shape).ravel().tolist() or [0])
    graph.graph.node.append(onnx.helper.make_node('Constant', [], ['motion'], value=value))
    graph.graph.output[place].CopyFrom(onnx.helper.make_tensor_value_info('motion', kind, shape))
    refuses(path, graph)
