"""How large an image may be. Whoever is told a size asks here before memory is spent on it."""

from __future__ import annotations

LONGEST_SIDE = 32_766  # px: OpenCV's remap takes no more
MOST_PIXELS = 50_000_000  # of an image that comes in
MOST_DRAWN_PIXELS = 2048 * 2048  # of one that is drawn: its mapping takes 24 bytes a pixel and more


CALIBRATION = 'Give the width and height of the images in pixels.'


def check_image_size(
    width: float, height: float, error: type[Exception], where: str, drawn: bool = False, fix: str = CALIBRATION
) -> None:
    """Raise `error`, in a sentence that begins with `where`, unless an image can have this size [px].

    `drawn`: one that is made by mapping another, or rendered. `fix`: what to do, in a sentence.
    """
    most = MOST_DRAWN_PIXELS if drawn else MOST_PIXELS
    # Written so that NaN is refused, too.
    if not (1 <= width <= LONGEST_SIDE and 1 <= height <= LONGEST_SIDE and width * height <= most):
        raise error(
            f'{where}: an image of {width:.10g}x{height:.10g} is not possible (1 pixel to {most / 1e6:.3g} million, no '
            f'side over {LONGEST_SIDE}). {fix}'
        )
