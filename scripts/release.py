"""Checks that a version can be released, and makes its wheel: `make release`.

1. The version is the same in the sources, package.xml, CITATION.cff and the changelogs, and nothing is unreleased.
2. The wheel holds every module, the settings and the networks.
3. Installed from it into an empty environment, `atvio run` computes odometry with the road and with a shipped network.

`--quick` leaves out the last, which installs PyTorch. Nothing is uploaded or tagged.
"""

from __future__ import annotations

import argparse
import os
import re
import runpy
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = ROOT / 'pypi_ros' / 'constraints.txt'


def main() -> int:
    """Check, build, check what was built; the exit status tells whether all is well."""
    parser = argparse.ArgumentParser(description='Check that a version can be released, and make its wheel.')
    parser.add_argument('--quick', action='store_true', help='without the installation into an empty environment')
    parser.add_argument('--out', type=Path, default=ROOT / 'dist', metavar='DIR', help='for the wheel (default: dist)')
    arguments = parser.parse_args()
    found = [*version_problems(ROOT), *tree_problems(ROOT)]
    if not found:
        print(f'release: building the wheel of {version(ROOT)}', flush=True)
        with tempfile.TemporaryDirectory() as folder:  # a build leaves folders beside what it builds
            sources = committed(ROOT, Path(folder))
            wheel = build_wheel(sources, arguments.out)
            found = wheel_problems(sources, wheel)
        if not found and not arguments.quick:
            print('release: installing it into an empty environment', flush=True)
            found = installation_problems(wheel)
    for problem in found:
        print(f'release: {problem}', file=sys.stderr)
    if found:
        return 1
    print(f'release: {wheel} is right. Next: `git tag {version(ROOT)}`, push it, and `bloom-release` for ROS.')
    return 0


def version(root: Path) -> str:
    """The version that the sources have, which is the one that counts."""
    found = re.search(r"^__version__ = '([^']+)'$", (root / 'atvio_ros' / '__init__.py').read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


def version_problems(root: Path) -> list[str]:
    """What names another version, or is not released with it. A line each, with what to do."""
    ours, found = version(root), []
    changelog = (root / 'CHANGELOG.md').read_text(encoding='utf-8')
    released = re.search(r'^## \[(\d[^\]]*)\] - (\d{4}-\d\d-\d\d)$', changelog, re.MULTILINE)
    date = released[2] if released else ''
    said = {
        'package.xml': re.search(r'<version>([^<]*)</version>', (root / 'package.xml').read_text()),
        'CITATION.cff': re.search(r'^version: (\S+)$', (root / 'CITATION.cff').read_text(), re.MULTILINE),
        'CHANGELOG.md': released,
    }
    for name, match in said.items():
        there = match[1].strip('"\'') if match else 'no version'
        if there != ours:
            found.append(f'{name} has {there}, the sources {ours}. Make them equal.')
    if not re.fullmatch(r'\d+\.\d+\.\d+', ours):
        found.append(f'{ours} is no version of three numbers. Choose one by semver.org.')
    if not re.search(rf'^date-released: "?{date}"?$', (root / 'CITATION.cff').read_text(), re.MULTILINE):
        found.append(f'CITATION.cff is not of {date or "the date in CHANGELOG.md"}. Set date-released.')
    unreleased = re.search(r'^## \[Unreleased\]\n(.*?)(?=^## \[)', changelog, re.MULTILINE | re.DOTALL)
    if unreleased and unreleased[1].strip():
        found.append('CHANGELOG.md has unreleased changes. Move them below the heading of the version.')
    as_rst = runpy.run_path(str(ROOT / 'scripts' / 'changelog_rst.py'))['as_rst']
    if (root / 'CHANGELOG.rst').read_text(encoding='utf-8') != as_rst(changelog):
        found.append('CHANGELOG.rst is not that of CHANGELOG.md. Run scripts/changelog_rst.py.')
    return found


def tree_problems(root: Path) -> list[str]:
    """What is changed and not committed: the wheel would hold it, the tag would not."""
    done = subprocess.run(['git', 'status', '--porcelain'], cwd=root, capture_output=True, text=True, check=True)
    changed = [line[3:] for line in done.stdout.splitlines()]
    return [f'Not committed: {", ".join(changed[:5])}. Commit or remove it.'] if changed else []


def committed(root: Path, folder: Path) -> Path:
    """The files of the last commit, in `folder`: what a tag will name, and nothing beside it."""
    archive = folder / 'sources.tar'
    subprocess.run(['git', 'archive', '--output', archive, 'HEAD'], cwd=root, check=True)
    shutil.unpack_archive(archive, folder / 'sources')
    return folder / 'sources'


def build_wheel(root: Path, out: Path) -> Path:
    """The wheel of `root`, in `out`; needs no network."""
    with tempfile.TemporaryDirectory() as folder:
        pip('wheel', '--quiet', '--no-deps', '--no-build-isolation', '--wheel-dir', folder, root)
        (built,) = Path(folder).glob('*.whl')
        out.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copy2(built, out))


def wheel_problems(root: Path, wheel: Path) -> list[str]:
    """What the wheel lacks of modules, settings, networks and licences."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    prefix = f'atvio_ros-{version(root)}'
    data = f'{prefix}.data/data/share/atvio_ros'
    wanted = {path.relative_to(root).as_posix() for path in (root / 'atvio_ros').rglob('*.py')}
    wanted |= {
        f'{data}/{path.relative_to(root).as_posix()}'
        for folder in ('config', 'models')
        for path in (root / folder).rglob('*')
        if path.is_file()
    }
    wanted |= {f'{prefix}.dist-info/{name}' for name in ('licenses/LICENSE', 'licenses/models/LICENSE', 'METADATA')}
    missing = sorted(wanted - names)
    strange = sorted(name for name in names if name.endswith('.py') and name not in wanted)
    found = [f'The wheel lacks {name}. See setup.py and pyproject.toml.' for name in missing]
    return found + [
        f'The wheel holds {name}, which is not in the sources. Remove build/ and *.egg-info.' for name in strange
    ]


def installation_problems(wheel: Path) -> list[str]:
    """What does not work where nothing but the wheel and what it asks for is installed."""
    with tempfile.TemporaryDirectory(prefix='atvio_release_') as name:
        folder = Path(name)
        subprocess.run([sys.executable, '-m', 'venv', folder / 'venv'], check=True)
        python = folder / 'venv' / 'bin' / 'python'
        # torch as the bare machine has it: without a pin it is a build for CUDA, of gigabytes.
        pins = [line for line in (ROOT / 'pypi_ros' / 'requirements.txt').read_text().splitlines() if 'torch==' in line]
        pip('install', '--quiet', '-c', CONSTRAINTS, *pins, wheel, python=python)
        bag = folder / 'drive'
        words = ['synthesize', '--out', bag, '--length', '40', '--seed', '7']
        done = run([sys.executable, '-m', 'atvio_ros.cli', *words], ROOT)  # drawn here: it needs moderngl
        return [done] if done else run_problems(folder / 'venv' / 'bin' / 'atvio', bag, folder)


def run_problems(
    atvio: Path, bag: Path, folder: Path, options: Iterable[str] = (), environment: dict[str, str] | None = None
) -> list[str]:
    """What is wrong with `atvio run` on a bag, with the road and with the shipped network. Works in `folder`."""
    found = []
    for estimator in ('road', 'network'):
        out = folder / estimator
        problem = run([atvio, 'run', bag, '--out', out, '--estimator', estimator, *options], folder, environment)
        if not problem and not (out / 'estimate.tum').is_file():
            problem = f'`atvio run --estimator {estimator}` wrote no trajectory.'
        found += [problem] if problem else []
    return found


def run(words: Iterable[object], folder: Path, environment: dict[str, str] | None = None) -> str:
    """Run a command; what it said where it failed, else nothing."""
    command = [str(word) for word in words]
    clean = {key: value for key, value in os.environ.items() if key != 'PYTHONPATH'}
    done = subprocess.run(
        command, cwd=folder, env={**clean, **(environment or {})}, capture_output=True, text=True, check=False
    )
    untrained = 'UNTRAINED' in done.stderr
    if done.returncode == 0 and not untrained:
        return ''
    why = 'found no shipped network' if untrained else f'failed: {done.stderr.strip()[-500:]}'
    return f'`{Path(command[0]).name} {" ".join(command[1:3])} ...` {why}'


def pip(*words: object, python: object = sys.executable) -> None:
    """Run pip; its output is shown where it fails."""
    environment = {**os.environ, 'PIP_DISABLE_PIP_VERSION_CHECK': '1'}
    subprocess.run([str(word) for word in (python, '-m', 'pip', *words)], env=environment, check=True)


if __name__ == '__main__':
    sys.exit(main())
