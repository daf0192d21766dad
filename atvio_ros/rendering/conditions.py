"""What makes a drive hard to measure: conditions of road, light, route and camera, each by itself and all together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from atvio_ros.errors import SettingsError
from atvio_ros.settings import setting

SURROUNDINGS = ('town', 'suburb', 'avenue', 'country', 'motorway')


@dataclass(frozen=True)
class Conditions:
    """Conditions of a drive. The defaults are ordinary ones: they change nothing."""

    # The road.
    texture: float = setting(
        1.0, "Contrast of the road's surface, in that of ordinary asphalt.", minimum=0.0, maximum=2.0
    )
    wet: float = setting(
        0.0, 'Water on the asphalt: darker, and a mirror for what stands beside it.', minimum=0.0, maximum=1.0
    )
    markings: str = setting(
        'ordinary',
        'Paint on the road: ordinary, none, lines (along the way, never broken) or crosswalks.',
        choices=('ordinary', 'none', 'lines', 'crosswalks'),
    )
    surroundings: str = setting('any', 'What is beside the whole way.', choices=('any', *SURROUNDINGS))
    open_land: bool = setting(False, 'Nothing near the road is higher than a bush.')
    kerbs: bool = setting(False, 'A single narrow lane between kerbs and pavements 0.12 m higher.')
    tree_shadows: float = setting(
        0.0,
        'Trees beside the road that throw sharp shadows across it: on each side, in 10 m.',
        minimum=0.0,
        maximum=3.0,
    )
    car_ahead: float | None = setting(
        None, 'Gap [m] to a car that drives ahead of the camera all the time.', minimum=4.0, maximum=60.0
    )
    # The route; procedural drives only.
    speed: float | None = setting(None, 'Mean speed [m/s] where the drive names none.', minimum=0.3, maximum=40.0)
    bend_radius: float | None = setting(None, 'Radius of all bends [m], which follow each other closely.', minimum=4.0)
    slope: float = setting(0.0, 'Typical rise per metre, of stretches of some 100 m.', minimum=0.0, maximum=0.12)
    crests: float = setting(
        0.0, 'Typical rise per metre of crests and dips, some 20 m long.', minimum=0.0, maximum=0.12
    )
    stops: float | None = setting(None, 'Share of the straights that end in a stop.', minimum=0.0, maximum=1.0)
    suspension: float = setting(
        1.0, 'Dive, roll and bounce of the body, in those of an ordinary car.', minimum=0.0, maximum=4.0
    )
    bumps: float = setting(
        0.0, 'Bumps across the road in 100 m, 5 cm high and a metre long.', minimum=0.0, maximum=20.0
    )
    # Light and camera.
    night: str = setting(
        'none',
        "By night, with the sensor's noise: lit by headlights, or by street lamps besides.",
        choices=('none', 'headlights', 'lamps'),
    )
    rain: float = setting(0.0, 'Streaks of rain, and drops on the glass before the camera.', minimum=0.0, maximum=1.0)
    readout: float = setting(
        0.0,
        "Seconds from the first row to the last (rolling shutter); the middle row is the image's stamp.",
        minimum=0.0,
        maximum=0.1,
    )
    exposure_time: float = setting(0.0, 'Seconds that the shutter is open: blur by motion.', minimum=0.0, maximum=0.05)
    exposure_changes: float = setting(
        0.0, 'Brightness that comes and goes: standard deviation in stops.', minimum=0.0, maximum=2.0
    )

    @property
    def of_route(self) -> tuple[str, ...]:
        """Names of the settings that change how the robot moves."""
        return tuple(name for name in ROUTE if getattr(self, name) != getattr(ORDINARY, name))


ROUTE = ('speed', 'bend_radius', 'slope', 'crests', 'stops', 'suspension', 'bumps')
ORDINARY = Conditions()
CONDITIONS: dict[str, Conditions] = {
    'ordinary': ORDINARY,
    'even_asphalt': Conditions(texture=0.15, markings='none'),
    'wet_asphalt': Conditions(wet=0.9),
    'lane_lines': Conditions(texture=0.25, markings='lines'),
    'crosswalks': Conditions(texture=0.4, markings='crosswalks', surroundings='town'),
    'tree_shadows': Conditions(tree_shadows=1.0, texture=0.5),
    'car_ahead': Conditions(car_ahead=8.0),
    'tight_bends': Conditions(bend_radius=10.0, speed=5.0),
    'kerbs': Conditions(kerbs=True, texture=0.5, surroundings='town'),
    'crests': Conditions(crests=0.05),
    'slopes': Conditions(slope=0.06),
    'bumps': Conditions(bumps=5.0, suspension=1.5),
    'suspension': Conditions(suspension=2.5, stops=0.6),
    'stop_and_go': Conditions(stops=1.0, car_ahead=7.0, surroundings='town'),
    'open_country': Conditions(surroundings='country', open_land=True, texture=0.3, speed=16.0),
    'motorway_35': Conditions(surroundings='motorway', texture=0.3, speed=35.0),
    'motorway_25': Conditions(surroundings='motorway', texture=0.5, speed=25.0),
    'night': Conditions(night='headlights'),
    'night_lamps': Conditions(night='lamps', surroundings='town'),
    'rain': Conditions(rain=0.7, wet=0.7),
    'rolling_shutter': Conditions(readout=0.03),
    'motion_blur': Conditions(exposure_time=0.015),
    'exposure': Conditions(exposure_changes=0.4),
    'bad_day': Conditions(rain=0.6, wet=0.8, car_ahead=9.0, suspension=1.5, exposure_changes=0.3, readout=0.02),
}


def named_conditions(names: Iterable[str]) -> Conditions:
    """Several of CONDITIONS at once; of two that set the same thing the later counts. Raises SettingsError."""
    result = ORDINARY
    ordinary = asdict(ORDINARY)
    for name in names:
        if name not in CONDITIONS:
            raise SettingsError(f'There is no condition {name!r}. Choose from {", ".join(CONDITIONS)}.')
        changed: dict[str, Any] = {
            key: value for key, value in asdict(CONDITIONS[name]).items() if value != ordinary[key]
        }
        result = replace(result, **changed)
    return result
