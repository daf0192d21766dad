"""Says in one line which Python package is missing, where not every installation has all of them (docs/install.md)."""

from __future__ import annotations

# Module -> what pip installs it as. Others come from rosdep or with the package itself.
FROM_PIP = {
    'torch': 'torch',
    'safetensors': 'safetensors',
    'onnx': 'onnx',
    'onnxruntime': 'onnxruntime',
    'rosbags': '"rosbags>=0.11,<0.12"',
    'apsw': 'apsw',
    'lz4': 'lz4',
    'backports': 'backports.zstd',
    'lightning': 'lightning',
    'tensorboard': 'tensorboard',
    'moderngl': 'moderngl',
    'dask': '"distributed>=2024.5" cryptography',
    'distributed': '"distributed>=2024.5" cryptography',
    'cryptography': 'cryptography',
    'fsspec': 'fsspec',
}


def missing_package(error: ModuleNotFoundError) -> str:
    """What to install for a module that is missing; '' where that is none that pip is asked for."""
    module = (error.name or '').partition('.')[0]
    if module not in FROM_PIP:
        return ''
    return (
        f'the Python package {module} is missing: python3 -m pip install {FROM_PIP[module]} '
        '(docs/install.md, where pip refuses)'
    )
