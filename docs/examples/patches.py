"""Cut 16 x 16 patches out of the two photographs that come with scikit-learn, into patches.npz.

    pip install scikit-learn
    python docs/examples/patches.py
    sweep data check ./patches.npz
    sweep start studies/patches.toml

No download: the photographs are part of the package. Test patches come from the right quarter of
each photograph, training patches from the rest, so no pixel is in both.
"""

import numpy as np
from sklearn.datasets import load_sample_images

SIDE, N_TRAIN, N_TEST = 16, 4_000, 1_000  # per photograph

rng = np.random.default_rng(0)
parts = {"train": [], "test": []}
for photo in load_sample_images().images:  # (height, width, 3) unsigned bytes
    height, width, _ = photo.shape
    border = 3 * width // 4
    for part, n, left, right in (("train", N_TRAIN, 0, border), ("test", N_TEST, border, width)):
        rows = rng.integers(0, height - SIDE + 1, n)
        columns = rng.integers(left, right - SIDE + 1, n)
        places = zip(rows, columns, strict=True)
        parts[part] += [photo[y : y + SIDE, x : x + SIDE] for y, x in places]

arrays = {name: np.stack(patches) for name, patches in parts.items()}
for name, patches in parts.items():  # labels are optional; these say which photograph
    arrays[f"{name}_labels"] = np.repeat(["china", "flower"], len(patches) // 2)
np.savez_compressed("patches.npz", **arrays)
