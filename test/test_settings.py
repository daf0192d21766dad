"""A setting is checked where it enters: name, type, range. What is wrong becomes one line that names it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import yaml

from atvio_ros import resources
from atvio_ros.errors import SettingsError
from atvio_ros.settings import check, from_mapping, load_yaml, setting


@dataclass(frozen=True)
class Noise:
    sigma: float = setting(0.1, 'Standard deviation [m].', minimum=0.0)
    matrix: tuple[tuple[float, float], tuple[float, float]] = setting(
        ((1.0, 0.0), (0.0, 1.0)), 'Two rows.', maximum=9.0
    )


@dataclass(frozen=True)
class Plan:
    learning_rate: float = setting(1e-3, 'Step size.', minimum=0.0, maximum=1.0)
    epochs: int = setting(100, 'Times over the data.', minimum=1)
    seed: int | None = setting(None, 'Random seed.', minimum=0)
    fusion: str = setting('ca_a', 'How features meet.', choices=('ca_a', 'ca_b'))
    shuffle: bool = setting(True, 'Mix the windows.')
    widths: tuple[int, ...] = setting((16, 32), 'Channels.', minimum=1)
    std: tuple[float, float, float] = setting((1.0, 1.0, 1.0), 'Scale.')
    noise: Noise = setting(Noise(), 'Noise.')  # noqa: RUF009


def plan(text: str) -> Plan:
    return from_mapping(Plan, yaml.safe_load(text), 'train')


def test_what_is_not_given_keeps_its_default():
    assert from_mapping(Plan, {}, 'train') == Plan()


def test_given_values_arrive_in_their_declared_types():
    given = plan(
        'learning_rate: 1\nepochs: 3\nseed: 7\nfusion: ca_b\nwidths: [8, 9, 10]\nstd: [1, 2.5, 3]\nnoise: {sigma: 2}'
    )
    assert given == Plan(1.0, 3, 7, 'ca_b', True, (8, 9, 10), (1.0, 2.5, 3.0), Noise(2.0))
    assert isinstance(given.learning_rate, float)
    assert all(isinstance(value, float) for value in given.std)


@pytest.mark.parametrize('seed', [None, 0, 5])
def test_none_is_a_value_of_an_optional_setting_even_where_it_has_a_range(seed):
    assert from_mapping(Plan, {'seed': seed}, 'train').seed == seed


@pytest.mark.parametrize(
    ('text', 'complaint'),
    [
        ('learning_rte: 1.0', r'train\.learning_rte is not a setting\. Did you mean learning_rate\?'),
        ('xyz: 1.0', r'train\.xyz is not a setting\. Choose from learning_rate, epochs'),
        ('1: 1.0', r'train\.1 is not a setting'),
        ('noise: {sigmaa: 1.0}', r'train\.noise\.sigmaa is not a setting\. Did you mean sigma\?'),
        ('noise: 3', r'train\.noise must be a group of settings'),
        ('noise: {sigma: -1.0}', r'train\.noise\.sigma must be at least 0\.0, not -1\.0'),
        ('noise: {matrix: [[1, 2], [3, .nan]]}', r'train\.noise\.matrix must be a number, not NaN'),
        ('noise: {matrix: [[1, 2], [3, 10]]}', r'train\.noise\.matrix must be at most 9\.0, not 10\.0'),
        ('noise: {matrix: [[1, 2], 3]}', r'train\.noise\.matrix must be a list, not 3'),
        ('learning_rate: fast', r"train\.learning_rate must be float, not 'fast' \(str\)\.$"),
        ('learning_rate: 1e-3', r'YAML takes a power of ten for text unless .* 1\.0e-3'),
        ('learning_rate: true', r'train\.learning_rate must be float, not True'),
        ('learning_rate: .nan', r'train\.learning_rate must be a number, not NaN'),
        ('learning_rate: 2', r'train\.learning_rate must be at most 1\.0, not 2\.0'),
        (f'learning_rate: 1{"0" * 400}', r'train\.learning_rate must be a number of usual size'),
        ('epochs: 2.5', r'train\.epochs must be int, not 2\.5 \(float\)'),
        ('epochs: true', r'train\.epochs must be int, not True'),
        ('epochs: 0', r'train\.epochs must be at least 1, not 0'),
        ('epochs: null', r'train\.epochs must be int, not None'),
        ('seed: -1', r'train\.seed must be at least 0, not -1'),
        ('shuffle: 1', r'train\.shuffle must be bool, not 1'),
        ('fusion: ca_bb', r"train\.fusion must be one of ca_a, ca_b, not 'ca_bb'\. Did you mean ca_b\?"),
        ('widths: 16', r'train\.widths must be a list, not 16'),
        ('widths: [16, 0]', r'train\.widths must be at least 1, not 0'),
        ('std: [1, 2]', r'train\.std must be a list of 3 values, not 2'),
    ],
)
def test_a_wrong_setting_is_refused_by_name_in_one_line(text, complaint):
    with pytest.raises(SettingsError, match=complaint) as caught:
        plan(text)
    assert '\n' not in str(caught.value)


def test_one_value_is_checked_as_in_a_mapping():
    assert check(2, float, {'minimum': 0.0, 'maximum': 3.0}, 'max_wait') == 2.0
    with pytest.raises(SettingsError, match=r'^max_wait must be at most 1\.0'):
        check(2, float, {'maximum': 1.0}, 'max_wait')


def test_a_shared_default_that_can_change_is_refused_where_it_is_declared():
    with pytest.raises(TypeError, match='tuple'):
        setting([1, 2], 'A list.')


def test_a_settings_file_is_read_as_utf_8_data(tmp_path):
    file = tmp_path / 'plan.yaml'
    file.write_text('# Schrittweite für später\nepochs: 3\n', encoding='utf-8')
    assert load_yaml(file) == {'epochs': 3}
    file.write_text('# nothing set\n')
    assert load_yaml(file) == {}


@pytest.mark.parametrize(
    'content',
    [
        b'a: [1, 2',
        b'a: b: c',
        b'\tx: 1',
        b'\xff\xfe\xfa',
        b'a: 2024-13-45',
        b'[' * 1000,
        b'- 1\n- 2',
        b'just words',
        b'!!python/object/apply:os.getcwd []',
        b'a: &x [*x',
    ],
)
def test_a_file_that_holds_no_settings_is_refused_in_one_line_that_names_it(content, tmp_path):
    file = tmp_path / 'plan.yaml'
    file.write_bytes(content)
    with pytest.raises(SettingsError, match=r'plan\.yaml') as caught:
        load_yaml(file)
    assert '\n' not in str(caught.value)


def test_a_missing_or_unreadable_file_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r'There is no settings file .*nothing\.yaml'):
        load_yaml(tmp_path / 'nothing.yaml')
    with pytest.raises(SettingsError, match='cannot be read'):
        load_yaml(tmp_path)


@pytest.mark.parametrize('place', ['config/atvio.yaml', 'share/atvio_ros/config/atvio.yaml'])
def test_a_shipped_file_is_found_in_the_source_tree_and_in_an_installation(place, tmp_path, monkeypatch):
    code = tmp_path / 'lib' / 'python3' / 'atvio_ros' / 'resources.py'
    (tmp_path / place).parent.mkdir(parents=True)
    (tmp_path / place).touch()
    monkeypatch.setattr(resources, '__file__', str(code))
    assert resources.find_resource('config/atvio.yaml') == tmp_path / place
    assert resources.find_resource('config/other.yaml') is None
