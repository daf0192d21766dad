"""`make docs`: the manual as a site, without a broken link, from files of its own alone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
PAGES = {
    'index.html',
    'first-hour.html',
    'robot.html',
    'ros.html',
    'training.html',
    'results.html',
    'contributing.html',
}
PAGES |= {'how-it-measures-the-road.html', 'questions.html', 'troubleshooting.html', 'api/odometry.html'}


class Loaded(HTMLParser):
    """What a page fetches by itself: scripts, styles, pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ('script', 'img', 'iframe'):
            self.addresses.append(given.get('src') or '')
        elif tag == 'link' and given.get('rel') != 'canonical':
            self.addresses.append(given.get('href') or '')


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    for module in ('mkdocs', 'material', 'mkdocstrings'):
        pytest.importorskip(module, reason='mkdocs-material and mkdocstrings come with `make setup-dev`')
    folder = tmp_path_factory.mktemp('site')
    words = [sys.executable, '-m', 'mkdocs', 'build', '--strict', '--site-dir', folder]
    environment = {**os.environ, 'NO_MKDOCS_2_WARNING': '1'}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        complaints = done.stderr.partition('WARNING')[2] or done.stderr
        pytest.fail(complaints[:2000], pytrace=False)
    return folder


def test_the_site_has_a_page_for_every_purpose_and_no_broken_link(site):
    there = {path.relative_to(site).as_posix() for path in site.rglob('*.html')}
    assert there >= PAGES


def test_pages_fetch_nothing_from_elsewhere(site):
    for path in site.rglob('*.html'):
        loaded = Loaded()
        loaded.feed(path.read_text(encoding='utf-8'))
        assert [address for address in loaded.addresses if re.match(r'(https?:)?//', address)] == [], path.name


def test_the_api_shows_what_docstrings_say(site):
    page = (site / 'api' / 'odometry.html').read_text(encoding='utf-8')
    assert 'id="atvio_ros.odometry.engine.OdometryEngine.process"' in page
    assert 'Depends on the pairs alone, never on the clock.' in re.sub(r'\s+', ' ', page)


def test_every_page_is_in_the_list_of_the_site():
    listed = (ROOT / 'mkdocs.yml').read_text(encoding='utf-8')
    missing = [path.name for path in sorted((ROOT / 'docs').glob('*.md')) if f': {path.name}\n' not in listed]
    assert not missing, f'put {", ".join(missing)} into nav in mkdocs.yml'


def test_user_pages_come_before_those_of_developers():
    text = (ROOT / 'mkdocs.yml').read_text(encoding='utf-8')
    nav = yaml.safe_load(text[text.index('\nnav:') :])['nav']
    titles = [next(iter(each)) for each in nav]
    assert titles == ['Start', 'Your robot', 'ROS', 'Results', 'Training', 'How it works', 'Contributing']
