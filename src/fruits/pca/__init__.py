"""Features -> principal components."""

from fruits.pca.fit import Reduction, fit, fit_stored, load, project, transform

__all__ = ["Reduction", "fit", "fit_stored", "load", "project", "transform"]
