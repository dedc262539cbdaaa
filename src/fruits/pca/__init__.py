"""Features -> principal components."""

from fruits.pca.fit import FittedPCA, fit, load, transform
from fruits.pca.standardise import standardise

__all__ = ["FittedPCA", "fit", "load", "standardise", "transform"]
