"""Photos that sit among another label's: the vote of the k nearest photos, weighted by similarity.

(Dudani, "The distance-weighted k-nearest-neighbor rule", IEEE SMC 1976.) No photo votes on itself,
so its share of the votes is out of sample, as the self-confidence by which confident learning
ranks label errors (Northcutt et al., "Confident Learning: Estimating Uncertainty in Dataset
Labels", JAIR 2021). Folds as those of `train`, which hold out whole crates, would not do here: the
other photos of its crate tell best that a photo has a wrong label.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MIN_MARGIN = 0.25
"""A label is suspect if another one has this much more of the votes."""
MIN_PHOTOS = 4
"""Labels with fewer photos are not judged: they hardly have votes."""


@dataclass(frozen=True)
class Mislabelled:
    """A photo that sits among another label's."""

    row: int
    label: int  # that other label
    margin: float  # its share of the votes, less that of the photo's own label
    nearest: int  # the most similar photo of that other label


def mislabelled(
    labels: NDArray[np.int64], found: NDArray[np.integer[Any]], cosines: NDArray[np.float32]
) -> list[Mislabelled]:
    """The photos that sit among another label's, those with the largest margin first.

    `labels` [n] are -1 for none; `found` [n, k] are the nearest photos of each, and `cosines` how
    similar they are.
    """
    n_labels = int(labels.max(initial=-1)) + 1
    if n_labels < 2:
        return []
    counts = np.bincount(labels[labels >= 0], minlength=n_labels)
    theirs = labels[found]
    weights = np.where(theirs >= 0, cosines, 0).clip(min=0)
    suspects = []
    for row in np.flatnonzero((labels >= 0) & (counts[labels] >= MIN_PHOTOS)).tolist():
        votes = np.bincount(theirs[row].clip(min=0), weights[row], n_labels)
        total, own = votes.sum(), votes[labels[row]]
        votes[labels[row]] = -1
        best = int(votes.argmax())
        if total > 0 and (margin := float((votes[best] - own) / total)) >= MIN_MARGIN:
            nearest = int(found[row, (theirs[row] == best).argmax()])
            suspects.append(Mislabelled(row, best, margin, nearest))
    return sorted(suspects, key=lambda suspect: -suspect.margin)
