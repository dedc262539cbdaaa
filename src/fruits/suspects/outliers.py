"""Outliers: photos that are far even from their nearest ones.

The score is the mean distance to the k nearest photos (Angiulli & Pizzuti, "Fast outlier
detection in high dimensional spaces", PKDD 2002), or to those of a sample (Sugiyama & Borgwardt,
"Rapid distance-based outlier detection via sampling", NIPS 2013), against what is usual among these
photos: the modified z-score of Iglewicz & Hoaglin ("How to Detect and Handle Outliers", 1993),
which the outliers themselves hardly shift. It takes the features as they are: whitened, everything
is far from nearly everything.
"""

import numpy as np
from numpy.typing import NDArray

MIN_SCORE = 5.0
"""From this modified z-score on a photo is an outlier. See docs/check.md for other values."""
MIN_PHOTOS = 20
"""Fewer photos don't tell what is usual."""


def scores(cosines: NDArray[np.float32]) -> NDArray[np.float64]:
    """[n, k] the similarities of the nearest photos -> [n] how far each photo is from its own."""
    distance = 1 - cosines.mean(axis=1, dtype=np.float64)
    usual = np.median(distance)
    deviation = np.median(np.abs(distance - usual))
    if deviation < 1e-9:  # most photos are copies of one
        return np.zeros(len(distance))
    return np.asarray(0.6745 * (distance - usual) / deviation)
