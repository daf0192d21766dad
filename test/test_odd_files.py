"""Files that are endless, oddly named, full of references, or stamped beyond 2038: one line each."""

from __future__ import annotations

import os
import shutil
import threading

import numpy as np
import pytest
from rosbags import rosbag1
from rosbags.typesys import Stores, get_typestore
from samples.bags import TYPESTORE, drive_messages, write_drive
from samples.command_line import call, complaint
from samples.kitti import write_loose
from samples.prepared import write_prepared

from atvio_ros import messages
from atvio_ros.bags.reader import BagReader
from atvio_ros.bags.typestore import RosbagsMessages
from atvio_ros.drives.sequence_store import PreparedSequence
from atvio_ros.errors import BagError, DatasetError, MessageError, SettingsError
from atvio_ros.files import read_text
from atvio_ros.settings import load_yaml, parse_yaml

ENDLESS = '/dev/zero'
needs_devices = pytest.mark.skipif(not os.path.exists(ENDLESS), reason='this system has no /dev/zero')  # noqa: PTH110


@needs_devices
@pytest.mark.parametrize(
    'words',
    [
        ('train', '--config', ENDLESS),
        ('run', 'BAG', '--rig', ENDLESS, '--out', 'OUT'),
        ('run', ENDLESS, '--out', 'OUT'),
        ('run', 'BAG', '--model', ENDLESS, '--out', 'OUT'),
        ('prepare', 'BAG', '--exclude', ENDLESS, '--out', 'OUT'),
        ('metrics', '--truth', ENDLESS, '--estimate', ENDLESS),
        ('export-kitti', '--images', 'IMAGES', '--times', ENDLESS, '--imu', ENDLESS, '--out', 'OUT'),
    ],
    ids=lambda words: ' '.join(words[:3]),
)
def test_an_endless_file_is_refused_in_one_line(words, tmp_path, capsys):
    bag = write_drive(tmp_path / 'bag')
    (tmp_path / 'images').mkdir()
    (tmp_path / 'images' / '0.png').symlink_to(ENDLESS)
    places = {'BAG': bag, 'OUT': tmp_path / 'out', 'IMAGES': tmp_path / 'images'}
    assert ENDLESS in complaint(capsys, *(places.get(word, word) for word in words))


def test_a_pipe_is_read_like_a_file(tmp_path):
    os.mkfifo(tmp_path / 'pipe')
    writer = threading.Thread(target=(tmp_path / 'pipe').write_text, args=('a: 1\r\nb: 2\n',))
    writer.start()
    assert load_yaml(tmp_path / 'pipe') == {'a': 1, 'b': 2}
    writer.join()


def test_a_text_is_read_up_to_a_limit_and_its_line_ends_are_pythons(tmp_path):
    path = tmp_path / 'text'
    path.write_bytes(b'a\r\nb\rc\n')
    assert read_text(path, 7) == path.read_text() == 'a\nb\nc\n'
    with pytest.raises(OSError, match='longer than 6e-06 MB'):
        read_text(path, 6)


def test_references_that_stand_for_billions_are_refused_before_anything_is_made_of_them():
    lines = ['a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]']
    lines += [f'a{i}: &a{i} [{", ".join([f"*a{i - 1}"] * 9)}]' for i in range(1, 12)]
    with pytest.raises(SettingsError, match=r'bomb\.yaml holds over 100000 values'):
        parse_yaml('\n'.join(lines), 'bomb.yaml')
    with pytest.raises(SettingsError, match='values'):
        parse_yaml('a: &a [*a]', 'itself.yaml')
    assert parse_yaml('a: &a [1, 2]\nb: *a', 'fine.yaml') == {'a': [1, 2], 'b': [1, 2]}


HEADERS = {
    'no end': b"{'descr': '<f8', 'fortran_order': False, 'shape': (3, 6",
    'no quote': b"{'descr': '<f8",
    'no text': b'\xff' * 50,
    'no number': b"{'descr': '<f8', 'fortran_order': False, 'shape': ('a',)}",
    'a huge shape': b"{'descr': '<f8', 'fortran_order': False, 'shape': (9223372036854775807, 9223372036854775807)}",
    'objects': b"{'descr': '|O', 'fortran_order': False, 'shape': (3,)}",
    'deep': b'[' * 5000,
}


@pytest.mark.parametrize('header', HEADERS.values(), ids=HEADERS)
def test_an_array_with_any_header_is_read_or_refused(header, tmp_path):
    write_prepared(tmp_path / 'drive')
    magic = b'\x93NUMPY\x01\x00' + len(header).to_bytes(2, 'little')
    (tmp_path / 'drive' / 'imu.npy').write_bytes(magic + header + bytes(1000))
    with pytest.raises(DatasetError, match=r'imu.npy .* Prepare the sequence again'):
        PreparedSequence(tmp_path / 'drive')


def test_an_archive_in_place_of_an_array_is_refused(tmp_path):
    write_prepared(tmp_path / 'drive')
    np.savez(tmp_path / 'arrays.npz', a=np.zeros(3))
    shutil.move(tmp_path / 'arrays.npz', tmp_path / 'drive' / 'imu.npy')
    with pytest.raises(DatasetError, match=r'imu.npy'):
        PreparedSequence(tmp_path / 'drive')


@pytest.mark.parametrize('name', ['.hidden', '.hidden.mcap', '...'])
def test_a_bag_whose_sequence_would_be_hidden_is_not_prepared(name, tmp_path, capsys):
    bag = write_drive(tmp_path / name)
    assert 'Rename the bag' in complaint(capsys, 'prepare', bag, '--out', tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_the_folder_at_hand_is_prepared_under_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(write_drive(tmp_path / 'drive'))
    assert call('prepare', '.', '--out', tmp_path / 'out', '--size', '64x32') == 0
    assert [path.name for path in (tmp_path / 'out').iterdir()] == ['drive']


@pytest.mark.parametrize('seconds', [1 << 31, -(1 << 31) - 1, 5 * 10**9])
def test_a_stamp_beyond_the_bits_of_ros_2_is_refused_and_does_not_wrap(seconds):
    with pytest.raises(MessageError, match='from 1901 to 2038'):
        messages.time(RosbagsMessages(), seconds * 1_000_000_000)
    assert messages.seconds_of(((1 << 31) - 1) * 1_000_000_000 + 999_999_999) == ((1 << 31) - 1, 999_999_999)


def test_times_after_2038_are_refused_when_they_are_written(tmp_path, capsys):
    files = write_loose(tmp_path)
    files['times'].write_text(''.join(f'{3_000_000_000 + 0.1 * i}\n' for i in range(4)))
    words = [word for name, path in files.items() for word in (f'--{name}', path)]
    assert 'to 2038' in complaint(capsys, 'export-kitti', *words, '--out', tmp_path / 'bag')
    assert not (tmp_path / 'bag').exists()


def test_a_ros_1_bag_from_after_2038_is_refused_where_its_stamps_would_wrap(tmp_path):
    ros1 = get_typestore(Stores.ROS1_NOETIC)
    with rosbag1.Writer(tmp_path / 'drive.bag') as writer:
        connections = {}
        for topic, stamp_ns, message in drive_messages():
            if message.__msgtype__ not in (messages.IMU, messages.IMAGE):
                continue
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, message.__msgtype__, typestore=ros1)
            raw = TYPESTORE.cdr_to_ros1(TYPESTORE.serialize_cdr(message, message.__msgtype__), message.__msgtype__)
            late = bytearray(raw)
            late[4:8] = (3_000_000_000).to_bytes(4, 'little')  # behind the sequence number
            writer.write(connections[topic], stamp_ns, bytes(late))
    with BagReader(tmp_path / 'drive.bag') as bag, pytest.raises(BagError, match='after 2038'):
        list(bag.events())
