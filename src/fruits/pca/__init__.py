"""Features -> principal components."""

from fruits.pca.fit import FittedPCA, fit, load, transform

__all__ = ["FittedPCA", "fit", "load", "transform"]
