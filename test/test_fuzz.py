"""Files changed at random: nothing comes out but a value or an error of ours. ATVIO_FUZZ=50: samples/mutation.py."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load, save_file
from samples.bags import drive_messages, read_all, write_rosbag1, write_rosbag2
from samples.kitti import write_loose
from samples.models import write_tiny_model
from samples.mutation import edits, fuzz, mutated, only_our_errors
from scipy.io import savemat

from atvio_ros.drives.kitti_tables import MAT_KEY, read_imu_table, read_times
from atvio_ros.drives.sequence_store import read_meta
from atvio_ros.errors import ModelError
from atvio_ros.network.checkpoint import load_model
from atvio_ros.network.config import AtvioConfig
from atvio_ros.trajectory_files import read_kitti_poses, read_tum


@pytest.fixture(scope='module', params=[False, True], ids=['plain', 'packed'])
def mat(request, tmp_path_factory) -> tuple[Path, bytes]:
    path = tmp_path_factory.mktemp('mat') / 'imu.mat'
    savemat(path, {'other': 'text', MAT_KEY: np.arange(66.0).reshape(11, 6)}, do_compression=request.param)
    return path, path.read_bytes()


@fuzz(150)
@given(changes=edits())
def test_a_mutated_mat_file_is_read_or_refused(mat, changes):
    path, content = mat
    path.write_bytes(mutated(content, changes))
    only_our_errors(lambda: read_imu_table(path))


@pytest.fixture(scope='module')
def bags(tmp_path_factory) -> dict[str, tuple[Path, bytes]]:
    """Bare storage files, which are quicker to open than folders, and their content."""
    folder = tmp_path_factory.mktemp('bags')
    files = {
        'mcap': write_rosbag2(folder / 'a', drive_messages(), 'mcap') / 'a.mcap',
        'db3': write_rosbag2(folder / 'b', drive_messages()) / 'b.db3',
        'ros1': write_rosbag1(folder / 'c.bag', drive_messages(), 'LZ4'),
    }
    return {form: (path, path.read_bytes()) for form, path in files.items()}


@pytest.mark.parametrize('form', ['mcap', 'db3', 'ros1'])
@fuzz(120)
@given(changes=edits())
def test_a_mutated_bag_is_read_or_refused(form, bags, changes):
    path, content = bags[form]
    path.write_bytes(mutated(content, changes))
    only_our_errors(lambda: read_all(path))


@fuzz(60)
@given(changes=edits())
def test_mutated_metadata_of_a_bag_are_read_or_refused(tmp_path_factory, changes):
    path = tmp_path_factory.getbasetemp() / 'metadata_fuzz'
    if not path.exists():
        write_rosbag2(path, drive_messages()[:1], 'mcap')
        (path / 'whole').write_bytes((path / 'metadata.yaml').read_bytes())
    (path / 'metadata.yaml').write_bytes(mutated((path / 'whole').read_bytes(), changes))
    only_our_errors(lambda: read_all(path))


@pytest.fixture(scope='module')
def model(tmp_path_factory) -> tuple[Path, bytes]:
    path = write_tiny_model(
        tmp_path_factory.mktemp('model') / 'tiny.safetensors',
        inertial_encoder='conv1d', fusion='ca_a', rotation='gyro_residual',
    )  # fmt: skip
    return path, path.read_bytes()


@fuzz(150)
@given(changes=edits(), keep_length=st.booleans())
def test_a_mutated_model_is_read_or_refused(model, changes, keep_length):
    path, content = model
    size = 8 + int.from_bytes(content[:8], 'little')
    head = mutated(content[8:size], changes) if keep_length else mutated(content[:size], changes)
    path.write_bytes((len(head).to_bytes(8, 'little') if keep_length else b'') + head + content[size:])
    only_our_errors(lambda: load_model(path))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@fuzz(150)
@given(field=st.sampled_from([*AtvioConfig.__dataclass_fields__, 'other']), value=json_values)
def test_any_value_of_any_setting_in_a_model_is_read_or_refused(model, field, value):
    path, content = model
    tensors = load(content)
    head = json.loads(content[8 : 8 + int.from_bytes(content[:8], 'little')])['__metadata__']
    config = json.dumps({**json.loads(head['config']), field: value})
    save_file(tensors, path, {**head, 'config': config})
    with suppress(ModelError):
        load_model(path)


text_lines = st.text(st.sampled_from('0123456789.,-+einfaNx# \t\n'), max_size=200)


@pytest.mark.filterwarnings('ignore:loadtxt')
@pytest.mark.parametrize(
    ('name', 'read'), [('poses', read_kitti_poses), ('poses', read_tum), ('times', read_times), ('imu', read_imu_table)]
)
@fuzz(120)
@given(changes=edits(), text=text_lines)
def test_mutated_tables_are_read_or_refused(name, read, tmp_path_factory, changes, text):
    folder = tmp_path_factory.getbasetemp() / 'tables_fuzz'
    paths = write_loose(folder) if not folder.exists() else {}
    if paths:
        for key, path in paths.items():
            if path.is_file():
                path.replace(folder / f'{key}.whole')
    path = folder / 'fuzzed'
    path.write_bytes(mutated((folder / f'{name}.whole').read_bytes(), changes))
    only_our_errors(lambda: read(path))
    path.write_text(text)
    only_our_errors(lambda: read(path))


@fuzz(80)
@given(value=json_values, key=st.sampled_from(('images', 'T_base_camera', 'excluded', 'version', 'x')))
def test_any_description_of_a_prepared_sequence_is_read_or_refused(tmp_path, value, key):
    (tmp_path / 'meta.json').write_text(json.dumps({key: value}))
    only_our_errors(lambda: read_meta(tmp_path))
    (tmp_path / 'meta.json').write_text(json.dumps(value))
    only_our_errors(lambda: read_meta(tmp_path))
