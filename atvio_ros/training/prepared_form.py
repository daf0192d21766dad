"""In which form a network takes prepared images: what `atvio prepare` must be told for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from atvio_ros.network.checkpoint import load_model
from atvio_ros.network.config import AtvioConfig
from atvio_ros.network.road_file import is_road_file
from atvio_ros.settings import load_yaml
from atvio_ros.training.settings import load_settings

RECIPES = ('.yaml', '.yml')


@dataclass(frozen=True)
class PreparedForm:
    """What `atvio prepare` makes of images."""

    width_px: int = 416
    height_px: int = 128
    view: str = 'none'
    view_pitch_deg: float = 0.0
    grey: bool = False

    @property
    def options(self) -> str:
        """As options of `atvio prepare`."""
        if self.view == 'stored':
            return '--view stored'
        words = [f'--size {self.width_px}x{self.height_px}']
        words += [f'--view {self.view}']
        words += [f'--view-pitch-deg {self.view_pitch_deg:g}'] if self.view == 'level' else []
        return ' '.join((*words, *(['--grey'] if self.grey else [])))


def form_of(config: AtvioConfig) -> PreparedForm:
    """That of a network of the paper."""
    return PreparedForm(
        config.image_width_px,
        config.image_height_px,
        config.view,
        config.view_pitch_deg if config.view == 'level' else 0.0,
        config.image_channels == 1,
    )


def form_for(path: Path) -> PreparedForm:
    """That of a model file, or of the network of a recipe. Raises ModelError, SettingsError."""
    if path.suffix in RECIPES:
        if load_yaml(path).get('variant') == 'road':
            return PreparedForm(view='stored', grey=True)
        settings = load_settings(path)
        return form_for(Path(settings.initial_model)) if settings.initial_model else form_of(settings.model)
    if is_road_file(path):
        return PreparedForm(view='stored', grey=True)
    return form_of(load_model(path)[0].config)
