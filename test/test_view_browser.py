"""The page in a real browser: it loads without error or request, its parts move with the slider, it shows a drive."""

from __future__ import annotations

import io
import os
import shutil

import matplotlib.image
import numpy as np
import pytest
from samples.view_folders import write_run

from atvio_ros.evaluation.index_page import write_index

playwright = pytest.importorskip(
    'playwright.sync_api', reason='playwright is not installed: `make setup-dev` brings it'
)
BROWSER = next(filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason='no Chromium here: apt install chromium')
FRAMES = 150


@pytest.fixture(scope='module')
def browser():
    arguments = ['--no-sandbox'] if os.geteuid() == 0 else []  # root, as in CI, has no sandbox
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=BROWSER, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp('view') / 'run', FRAMES, attention=True, warning='dark')


@pytest.fixture
def opened(browser):
    """Opens a page; at the end there must have been no error and no request but for the page itself."""
    wrong = []
    page = browser.new_page(viewport={'width': 1400, 'height': 1300})
    page.on('console', lambda message: wrong.append(f'{message.type}: {message.text}'))
    page.on('pageerror', lambda error: wrong.append(str(error)))
    page.on('request', lambda request: wrong.append(request.url) if request.url.startswith('http') else None)

    def open_at(folder, fragment='', name='view.html'):
        page.goto((folder / name).resolve().as_uri() + fragment)
        page.wait_for_selector('body[data-ready=yes]', timeout=20_000)
        return page

    yield open_at
    page.close()
    assert wrong == []


def shown(page) -> np.ndarray:
    return matplotlib.image.imread(io.BytesIO(page.screenshot()))[..., :3]


def test_the_slider_moves_picture_state_map_and_cursors_together(opened, folder):
    page = opened(folder)
    assert page.inner_text('#name') == 'bend'
    assert 't_rel' in page.inner_text('#figures')
    assert page.locator('.panel').count() == 8
    first, before = page.get_attribute('#picture', 'src'), shown(page)
    mark = page.locator('.cursor').first.bounding_box()['x']

    page.locator('#slider').evaluate("(s) => { s.value = s.max; s.dispatchEvent(new Event('input')); }")
    assert page.get_attribute('body', 'data-row') == str(FRAMES - 1)
    assert page.inner_text('#message') == 'dark'
    assert 'degraded' in page.inner_text('#now')
    assert page.get_attribute('#picture', 'src') != first
    assert page.locator('.cursor').first.bounding_box()['x'] > mark + 200
    map_part = np.s_[100:500, 850:1350]
    assert (np.abs(shown(page)[map_part] - before[map_part]) > 0.2).mean() > 0.003  # the way has been drawn

    page.focus('#slider')
    page.keyboard.press('ArrowLeft')
    assert page.get_attribute('body', 'data-row') == str(FRAMES - 2)
    assert page.inner_text('#message') == ''


def test_it_plays_and_ends(opened, folder):
    page = opened(folder, '#t=13.5')
    assert float(page.get_attribute('body', 'data-time')) == pytest.approx(13.5)
    page.select_option('#rate', '20')
    page.click('#play')
    page.wait_for_selector(f'body[data-row="{FRAMES - 1}"][data-playing=no]', timeout=20_000)


def test_a_click_on_the_map_or_a_panel_goes_there(opened, folder):
    page = opened(folder)
    over = page.locator('.panel .u-over').first
    box = over.bounding_box()
    over.click(position={'x': box['width'] / 2, 'y': 40})
    assert float(page.get_attribute('body', 'data-time')) == pytest.approx(7.5, abs=0.3)
    over = page.locator('#map .u-over')
    over.click(position={'x': 5, 'y': 5})
    assert int(page.get_attribute('body', 'data-row')) > 0
    page.check('#follow')
    page.uncheck('#follow')


def test_curves_and_trajectory_are_drawn_in_their_colours(opened, folder):
    page = opened(folder, '#t=14.9')
    picture = shown(page)
    blue = (picture[..., 2] > 0.6) & (picture[..., 0] < 0.15) & (picture[..., 1] < 0.55)
    red = (picture[..., 0] > 0.6) & (picture[..., 1] < 0.25) & (picture[..., 2] < 0.3)
    assert blue[:500, 850:].sum() > 50  # the start of the trajectory, without error
    assert red[:500, 850:].sum() > 50  # its end
    assert blue[560:].sum() > 500  # curves


def test_a_drive_without_truth_pictures_and_road_is_shown_with_what_there_is(opened, tmp_path):
    page = opened(write_run(tmp_path / 'run', 20, truth=False, pictures=False, road=False), '#t=1')
    titles = page.locator('.panel h2').evaluate_all('(all) => all.map((each) => each.firstChild.textContent)')
    assert titles == ['speed', 'height', 'turn rate', 'uncertainty of the position']
    assert not page.locator('#picture').is_visible()


def test_text_of_others_runs_nothing(opened, tmp_path):
    evil = '</script><img src=x onerror="document.body.dataset.evil=1">'
    page = opened(write_run(tmp_path / 'run', 20, name=evil, warning=evil), '#t=2')
    assert page.inner_text('#name') == evil
    assert page.get_attribute('body', 'data-evil') is None


def test_the_page_of_several_drives_leads_to_each(opened, tmp_path):
    write_run(tmp_path / 'bend #1', 20, name='bend #1')
    write_index(tmp_path, ['bend #1'], {}, {'model': 'road'})
    page = opened(tmp_path, name='index.html')
    assert not page.locator('#picture').count()
    page.click('a')
    page.wait_for_selector('body[data-ready=yes][data-row]', timeout=20_000)
    assert page.inner_text('#name') == 'bend #1'
