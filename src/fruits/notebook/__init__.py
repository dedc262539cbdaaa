"""Displays photos, plots and results in notebooks."""

from fruits.notebook.evaluation import (
    metrics_table,
    show_confusion,
    show_mistakes,
    show_report,
    show_suspects,
)
from fruits.notebook.html import Html
from fruits.notebook.photos import show_map, show_nearest, show_photos, show_prediction
from fruits.notebook.places import Places, expect_results, places
from fruits.notebook.plots import plot_components, plot_features, plot_variance
from fruits.notebook.tables import head, similar_labels

__all__ = [
    "Html",
    "Places",
    "expect_results",
    "head",
    "metrics_table",
    "places",
    "plot_components",
    "plot_features",
    "plot_variance",
    "show_confusion",
    "show_map",
    "show_mistakes",
    "show_nearest",
    "show_photos",
    "show_prediction",
    "show_report",
    "show_suspects",
    "similar_labels",
]
