"""Bags and models that `atvio run` cannot use: one line names the problem."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.torch import load_file, save_file
from samples.bags import frame_stamps_ns, write_drive
from samples.command_line import complaint

from atvio_ros.bags.reader import BagReader
from atvio_ros.bags.writer import BagWriter

# ---- bags


def test_a_missing_bag_is_named(tmp_path, capsys):
    assert 'There is no bag' in complaint(capsys, 'run', tmp_path / 'nothing', '--out', tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_an_empty_folder_is_no_bag(tmp_path, capsys):
    (tmp_path / 'bag').mkdir()
    assert 'without metadata.yaml' in complaint(capsys, 'run', tmp_path / 'bag', '--out', tmp_path / 'out')


def test_a_text_file_is_no_bag_whatever_its_name(tmp_path, capsys):
    (tmp_path / 'drive.mcap').write_text('Just some text.\n')
    line = complaint(capsys, 'run', tmp_path / 'drive.mcap', '--out', tmp_path / 'out')
    assert 'drive.mcap cannot be read as a bag' in line


@pytest.mark.parametrize('share', [0.3, 0.95])
def test_a_truncated_bag_is_said_to_be_damaged(share, tmp_path, capsys):
    bag = write_drive(tmp_path / 'drive')
    content = (bag / 'drive.mcap').read_bytes()
    (bag / 'drive.mcap').write_bytes(content[: int(share * len(content))])
    assert 'damaged' in complaint(capsys, 'run', bag, '--out', tmp_path / 'out')


def test_a_bag_without_images_is_told_from_one_without_imu(tmp_path, tiny_model, capsys):
    no_images, no_imu = write_drive(tmp_path / 'a', images=False), write_drive(tmp_path / 'b', imu=False)
    options = ('--out', tmp_path / 'out', '--model', tiny_model)
    assert 'has no images' in complaint(capsys, 'run', no_images, *options)
    assert 'has no IMU readings' in complaint(capsys, 'run', no_imu, *options)


def test_a_bag_that_gives_no_odometry_says_what_became_of_its_images(tmp_path, tiny_model, capsys):
    with BagWriter(tmp_path / 'bag') as bag:
        for stamp_ns in frame_stamps_ns():
            bag.write_image(stamp_ns, np.zeros((12, 16), np.uint8))
        with BagReader(write_drive(tmp_path / 'drive')) as reader:
            bag.write_imu(next(reader.imu()))
    line = complaint(capsys, 'run', tmp_path / 'bag', '--out', tmp_path / 'out', '--model', tiny_model)
    assert 'gave no odometry: 3 images, 1 first_image, 2 no_imu' in line


def test_a_topic_that_the_bag_lacks_is_named_with_those_it_has(tmp_path, tiny_drive, capsys):
    line = complaint(capsys, 'run', tiny_drive, '--out', tmp_path / 'out', '--image-topic', '/left')
    assert '/left' in line
    assert '/camera/image_raw' in line


def test_an_output_folder_that_cannot_be_made_is_named_at_once(tmp_path, tiny_drive, tiny_model, monkeypatch, capsys):
    (tmp_path / 'file').touch()
    monkeypatch.setattr('atvio_ros.evaluation.run.run_bag', None)  # before the work, not after it
    line = complaint(capsys, 'run', tiny_drive, '--out', tmp_path / 'file' / 'out', '--model', tiny_model)
    assert str(tmp_path / 'file') in line


# ---- robots


def test_the_road_estimator_needs_the_height_of_the_camera(tmp_path, tiny_drive, capsys):
    line = complaint(capsys, 'run', tiny_drive, '--out', tmp_path / 'out')
    assert "The camera's height over the ground is not known" in line
    assert 'camera_height' in line


@pytest.mark.parametrize(
    ('options', 'problem'),
    [
        (['--camera-height', '50'], 'options: camera_height is 50 m; a camera is 0.05 to 10 m over the ground'),
        (['--camera-height', 'high'], 'invalid float value'),
        (['--base-to-camera', '0 0 1'], '--base-to-camera must have 7 numbers'),
        (['--base-to-imu', '0 0 1 0 0 0 up'], '--base-to-imu must be seven numbers'),
        (['--base-to-imu', '0 0 1 0 0 0 2'], '--base-to-imu: the quaternion'),
        (['--imu-time-offset', '1e6'], 'imu_time_offset'),
        (['--rig', 'nowhere.yaml'], 'There is no settings file nowhere.yaml'),
        (['--estimator', 'guess'], "invalid choice: 'guess'"),
        (['--estimator', 'geometry', '--model', 'any.safetensors'], 'The estimator geometry takes no model file'),
    ],
)
def test_a_robot_described_wrongly_is_refused_with_the_option(options, problem, tmp_path, tiny_drive, capsys):
    assert problem in complaint(capsys, 'run', tiny_drive, '--out', tmp_path / 'out', *options)


# ---- models


def test_a_missing_model_is_named(tmp_path, tiny_drive, capsys):
    line = complaint(capsys, 'run', tiny_drive, '--out', tmp_path / 'out', '--model', tmp_path / 'none.safetensors')
    assert 'There is no model file' in line


@pytest.mark.parametrize('keep', [0, 5, 1000, -1])
def test_a_truncated_model_is_said_to_be_no_whole_file(keep, tmp_path, tiny_drive, tiny_model, capsys):
    short = tmp_path / 'short.safetensors'
    short.write_bytes(tiny_model.read_bytes()[:keep])
    line = complaint(capsys, 'run', tiny_drive, '--out', tmp_path / 'out', '--model', short)
    assert 'short.safetensors is not a whole safetensors file' in line


def test_a_model_of_another_version_says_which_is_read(tmp_path, tiny_drive, tiny_model, capsys):
    future = tmp_path / 'future.safetensors'
    save_file(
        load_file(tiny_model), future, {'format': 'atvio_ros', 'format_version': '99', 'config': '{}', 'card': '{}'}
    )
    line = complaint(capsys, 'run', tiny_drive, '--out', tmp_path / 'out', '--model', future)
    assert 'version 99; this package reads version 1' in line


def test_a_device_that_is_not_there_is_named(tmp_path, tiny_drive, capsys):
    line = complaint(
        capsys, 'run', tiny_drive, '--out', tmp_path / 'out', '--device', 'banana', '--estimator', 'network'
    )
    assert "device 'banana' is unknown" in line
