"""Where photos are compared: their features, whitened over all photos, as rows of length 1.

Most of what features vary in is common to many photos (this fruit, that crate, this light), and
another photo of the same crate has it, too. Whitening divides it out, so that what only copies of a
photo share counts as much: docs/check.md compares it with the raw features. It knows no labels, so
wrong ones don't bend it. The covariance is shrunk towards a multiple of the identity, by a multiple
of the share that Ledoit & Wolf derive ("A well-conditioned estimator for large-dimensional
covariance matrices", 2004): it is larger where photos are few, so that what two copies differ in,
which is part of the covariance, is not whitened away, and one threshold fits few and many photos.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fruits.classifier.classifier import unit

Rows = NDArray[np.float32]

FEW = 50
"""Fewer photos than this tell too little of how photos vary: their features are taken as they
are."""
_SHRINKAGE = 3  # times that of Ledoit and Wolf
_MIN_SHRINKAGE = 0.1


@dataclass(frozen=True)
class Space:
    """Places features; with `whitening` None, only scales them to length 1."""

    mean: Rows  # [d]
    whitening: Rows | None  # [d, d]

    @staticmethod
    def of(features: Rows) -> "Space":
        """The space of a sample of photos, [n, d]."""
        rows = unit(features)
        if len(rows) < FEW:
            return _raw(rows)
        mean = rows.mean(axis=0)
        rows -= mean
        covariance = (rows.T @ rows / len(rows)).astype(np.float64)
        spread = np.trace(covariance) / len(covariance)
        if spread <= 1e-12:  # one picture, again and again
            return _raw(rows)
        shrinkage = _SHRINKAGE * _ledoit_wolf(rows, covariance)
        shrinkage = min(max(shrinkage, _MIN_SHRINKAGE), 1)
        shrunk = (1 - shrinkage) * covariance + shrinkage * spread * np.eye(len(covariance))
        # Whitening by principal components has the same similarities, and takes 20 times as long.
        whitening = np.linalg.inv(np.linalg.cholesky(shrunk)).T
        return Space(mean, whitening.astype(np.float32))

    def placed(self, features: Rows) -> Rows:
        """[n, d] -> rows of length 1, whose products are the similarities of photos."""
        rows = unit(features)
        return rows if self.whitening is None else unit((rows - self.mean) @ self.whitening)


def _raw(rows: Rows) -> Space:
    """The space of features as they are."""
    return Space(np.zeros(rows.shape[1], np.float32), None)


def principal(features: Rows, count: int) -> Rows:
    """[n, d] -> [d, count]: the first principal components of the features, as rows of length 1."""
    rows = unit(features)
    rows -= rows.mean(axis=0)
    _, basis = np.linalg.eigh((rows.T @ rows).astype(np.float64))
    return np.asarray(basis[:, ::-1][:, :count], np.float32)


def _ledoit_wolf(rows: Rows, covariance: NDArray[np.float64]) -> float:
    """The share of the identity that Ledoit and Wolf add to the covariance of centred rows."""
    spread = np.trace(covariance) / len(covariance)
    total = (covariance**2).sum() - len(covariance) * spread**2
    squares = rows**2
    noise = float((squares.sum(axis=1, dtype=np.float64) ** 2).mean()) - (covariance**2).sum()
    return float(np.clip(noise / len(rows) / total, 0, 1)) if total > 0 else 1.0
