"""Small parts of OpenGL without a display: EGL, on a GPU or on Mesa's software rasteriser."""

from __future__ import annotations

import contextlib
import importlib
from typing import Any

import moderngl
import numpy as np

from atvio_ros.errors import RenderError
from atvio_ros.types import ImageArray


def context() -> Any:
    """A standalone OpenGL context. Raises RenderError with the package to install."""
    _load_triton()
    try:
        return moderngl.create_context(require=330, standalone=True, backend='egl')  # type: ignore[arg-type]
    except (ImportError, OSError, ValueError, RuntimeError) as error:
        reason = ' '.join(str(error).split())
        raise RenderError(
            f'Headless OpenGL (EGL) is not available: {reason}. '
            'On Debian and Ubuntu: apt install libegl1 libgl1-mesa-dri (older: libegl-mesa0).'
        ) from error


def _load_triton() -> None:
    """Load triton, which a PyTorch with CUDA brings, ahead of Mesa.

    Both hold an LLVM. Mesa's software rasteriser makes its symbols global, so a triton loaded after it calls the wrong
    one and the process dies, for instance where PyTorch makes an optimizer.
    """
    with contextlib.suppress(ImportError):
        importlib.import_module('triton')


def texture_array(gl: Any, images: ImageArray) -> Any:
    """Images (L, H, W, 4) as layers of one texture, with mipmaps."""
    layers, height, width, _ = images.shape
    texture = gl.texture_array((width, height, layers), 4, np.ascontiguousarray(images).tobytes())
    texture.build_mipmaps()
    texture.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)
    return texture


def sampler(gl: Any, between: int) -> Any:
    """How textures are read: `between` pixels of a mipmap level, or of two."""
    made = gl.sampler()
    made.filter = (between, moderngl.LINEAR)
    return made


def padding(form: str) -> str:
    """Bytes to skip for an attribute that a program does not use."""
    return {'3f': '12x', '2f': '8x', '4f1': '4x', '4u1': '4x'}[form]
