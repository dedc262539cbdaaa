"""Export the model into FOLDER and check it: export_model.py FOLDER PHOTOS [WEIGHTS]

Creates FOLDER/cache, and FOLDER/fruits.toml, which tells the package to use it. The check compares
the features of PHOTOS from the workers' engine with those from Keras; they must agree within 1e-3.
"""

import sys
from pathlib import Path

import numpy as np

from fruits.model.engine import OpenVINO, TensorFlow
from fruits.model.load import load_model
from fruits.photos.decode import prepare

_PHOTOS = 24
_MAX_PIXELS = 10_000_000
_TOLERANCE = 1e-3


def main(folder: Path, photos: Path, weights: str = "") -> None:
    cache = folder / "cache"
    model = load_model(weights or None, str(cache))
    chosen = sorted(path for path in photos.rglob("*") if path.is_file())[:_PHOTOS]
    batch = np.stack([prepare(path.read_bytes(), _MAX_PIXELS) for path in chosen])
    found = OpenVINO(model, "float32", 1).depths(batch)
    wanted = TensorFlow(model, 1).depths(batch)
    worst = float(np.abs(found - wanted).max())
    print(f"{model.name}: the engines differ by at most {worst:.1e} on {len(batch)} photos")
    if not worst < _TOLERANCE or not wanted.any():
        sys.exit("the exported model does not produce the same features as Keras")
    # The weights are named explicitly so that no run in the image tries to download any.
    (folder / "fruits.toml").write_text(f'weights = "{weights or model.name}"\ncache = "{cache}"\n')


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
