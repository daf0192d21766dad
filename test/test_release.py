"""What `make release` checks, and that the wheel holds what `atvio run` needs."""

from __future__ import annotations

import importlib.metadata
import os
import runpy
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from samples.bags import write_drive

ROOT = Path(__file__).resolve().parent.parent
release = runpy.run_path(str(ROOT / 'scripts' / 'release.py'))
SETUPTOOLS = int(importlib.metadata.version('setuptools').partition('.')[0])


@pytest.fixture
def sources(tmp_path):
    """The files that name a version, as they are, with nothing left to release."""
    root = tmp_path / 'sources'
    (root / 'atvio_ros').mkdir(parents=True)
    for name in ('atvio_ros/__init__.py', 'package.xml', 'CITATION.cff', 'CHANGELOG.md', 'CHANGELOG.rst'):
        shutil.copy(ROOT / name, root / name)
    changelog = (root / 'CHANGELOG.md').read_text()
    before, heading, rest = changelog.partition('## [Unreleased]\n')
    released = rest[rest.index('\n## [') :] if heading else rest
    (root / 'CHANGELOG.md').write_text(before + heading + released)
    return root


def edit(file: Path, old: str, new: str) -> None:
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new, 1))


def test_a_version_that_is_the_same_everywhere_can_be_released(sources):
    assert release['version_problems'](sources) == []


@pytest.mark.parametrize(
    ('file', 'problem'),
    [
        ('package.xml', 'package.xml has'),
        ('CITATION.cff', 'CITATION.cff has'),
        ('CHANGELOG.md', 'CHANGELOG.md has'),
        ('atvio_ros/__init__.py', 'package.xml has'),
    ],
)
def test_another_version_somewhere_is_named(sources, file, problem):
    edit(sources / file, release['version'](ROOT), '9.9.9')
    assert any(line.startswith(problem) for line in release['version_problems'](sources))


def test_what_is_unreleased_or_stale_is_named(sources):
    edit(sources / 'CHANGELOG.md', '## [Unreleased]\n', '## [Unreleased]\n\n### Fixed\n- Something.\n')
    (sources / 'CHANGELOG.rst').write_text('old')
    edit(sources / 'CITATION.cff', 'date-released: ', 'date-released: 1999-01-01 # ')
    problems = ' '.join(release['version_problems'](sources))
    for problem in ('unreleased changes', 'CHANGELOG.rst', 'date-released'):
        assert problem in problems


def test_uncommitted_files_are_named(tmp_path):
    subprocess.run(['git', 'init', '-q', tmp_path], check=True)
    assert release['tree_problems'](tmp_path) == []
    (tmp_path / 'new.py').write_text('')
    assert 'new.py' in release['tree_problems'](tmp_path)[0]


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    if SETUPTOOLS < 77:
        pytest.skip('building a wheel needs setuptools 77 or later: run `make test`, which sets it up')
    folder = tmp_path_factory.mktemp('wheel')
    sources = folder / 'sources'  # a build leaves folders beside what it builds
    unwanted = shutil.ignore_patterns('.*', '__pycache__', 'build', 'output', 'data', 'runs', 'test', 'docs')
    shutil.copytree(ROOT, sources, ignore=unwanted)
    return release['build_wheel'](sources, folder / 'dist')


def test_the_wheel_holds_modules_settings_networks_and_licences(wheel):
    assert release['wheel_problems'](ROOT, wheel) == []


def test_what_a_wheel_lacks_is_named(wheel, tmp_path):
    poor = tmp_path / wheel.name
    with zipfile.ZipFile(wheel) as whole, zipfile.ZipFile(poor, 'w') as archive:
        for name in whole.namelist():
            if not name.endswith('road.safetensors'):
                archive.writestr(name, '')
    (problem,) = release['wheel_problems'](ROOT, poor)
    assert 'lacks' in problem
    assert 'road.safetensors' in problem


def test_atvio_run_works_from_the_wheel_with_the_networks_in_it(wheel, tmp_path):
    """Installed apart; what it needs is that of this environment. `make release` installs that, too."""
    prefix = tmp_path / 'prefix'
    words = ('install', '--quiet', '--no-deps', '--no-index', '--ignore-installed', '--prefix', prefix, wheel)
    release['pip'](*words)
    (site,) = prefix.glob('l*/**/*-packages')
    atvio = next(prefix.glob('**/bin/atvio'))
    environment = {'PYTHONPATH': str(site)}
    where = 'import atvio_ros.resources as r; print(r.__file__, r.find_resource("models/ca_a.safetensors"))'
    asked = subprocess.run(
        [sys.executable, '-c', where],
        env={**os.environ, **environment},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert [Path(name).is_relative_to(prefix) for name in asked.stdout.split()] == [True, True]
    options = ('--camera-height', '1.5')
    assert release['run_problems'](atvio, write_drive(tmp_path / 'drive'), tmp_path, options, environment) == []
