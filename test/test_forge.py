"""What a public forge reads: workflows, forms, hooks. They cannot run here; they are compared with the sources."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
CI = yaml.safe_load((ROOT / '.github' / 'workflows' / 'ci.yml').read_text())
FAULT = yaml.safe_load((ROOT / '.github' / 'ISSUE_TEMPLATE' / 'fault.yml').read_text())
HOOKS = yaml.safe_load((ROOT / '.pre-commit-config.yaml').read_text())['repos'][0]['hooks']
INSTALL = (ROOT / 'docs' / 'install.md').read_text()


def targets() -> set[str]:
    return set(re.findall(r'^([a-z-]+):', (ROOT / 'Makefile').read_text(), re.MULTILINE))


def test_every_python_that_is_supported_is_tested():
    source = (ROOT / 'pypi_ros' / 'setup.py').read_text()
    (oldest, newest) = ast.literal_eval(re.search(r'^PYTHONS = (.*?)  #', source, re.MULTILINE)[1])
    assert CI['jobs']['bare']['strategy']['matrix']['python'] == [f'3.{i}' for i in range(oldest[1], newest[1] + 1)]


def test_every_distribution_of_the_manual_is_tested():
    rows = re.findall(r'^\| (Humble|Jazzy|Kilted|Lyrical|Rolling)\b', INSTALL, re.MULTILINE)
    tested = [each['distribution'] for each in CI['jobs']['ros']['strategy']['matrix']['include']]
    assert tested == [name.lower() for name in rows]


def test_workflows_call_targets_that_there_are():
    runs = [step['run'] for job in CI['jobs'].values() for step in job['steps'] if 'run' in step]
    called = {name for run in runs for name in re.findall(r'\bmake ([a-z-]+)', run)}
    assert called == {'test', 'test-oldest', 'lint', 'docs'}
    assert called <= targets()


def test_the_form_for_faults_asks_for_what_atvio_check_says():
    fields = {each['id']: each for each in FAULT['body'] if 'id' in each}
    assert fields['check']['validations']['required']
    assert 'atvio check' in fields['check']['attributes']['label']
    assert {'what', 'version', 'distribution', 'robot'} <= fields.keys()


def test_forms_link_to_pages_that_there_are():
    forms = (ROOT / '.github' / 'ISSUE_TEMPLATE').glob('*.yml')
    linked = [name for form in forms for name in re.findall(r'\.\./blob/main/([\w/.-]+)', form.read_text())]
    assert len(linked) == 2
    assert [name for name in linked if not (ROOT / name).is_file()] == []


def test_hooks_are_those_of_make_lint_and_the_tables():
    assert [hook['id'] for hook in HOOKS] == ['ruff', 'ruff-format', 'mypy', 'docs']
    assert all(hook['entry'].startswith('.venv/bin/') for hook in HOOKS)


def test_what_is_not_run_yet_says_so():
    for name in ('.github/workflows/ci.yml', 'Dockerfile'):
        assert re.search('has not (run|been built) anywhere yet', (ROOT / name).read_text()), name
