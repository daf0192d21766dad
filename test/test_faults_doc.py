"""docs/faults.md names tests that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / 'docs' / 'faults.md').read_text(encoding='utf-8')


def test_every_test_that_the_table_names_exists():
    named = re.findall(r'`([\w/]+\.py)(?:::(\w+))?`', TEXT)
    assert len(named) > 40
    for file, function in named:
        source = (ROOT / 'test' / file).read_text(encoding='utf-8')
        assert not function or f'\ndef {function}(' in source, f'{file}::{function}'


def test_every_fault_has_a_test_and_a_result():
    rows = [line.strip('|').split('|') for line in TEXT.splitlines() if line.startswith('| ')]
    for fault, expected, test, result in (row for row in rows if row[0].strip() != 'fault'):
        assert expected.strip(), fault
        assert '.py' in test, fault
        assert result.strip(), fault


def test_every_fault_test_of_the_node_is_in_the_table():
    files = list((ROOT / 'test').glob('test_node_faults_*.py'))
    assert files
    functions = [name for file in files for name in re.findall(r'^def (test_\w+)\(', file.read_text('utf-8'), re.M)]
    assert not [name for name in functions if name not in TEXT]
