"""The plots of the explained variance, and their scales."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from reports import manifest, page

from fruits.report.axis import Axis


@pytest.mark.parametrize("k", [1, 2, 57, 400])
def test_every_component_is_drawn_and_k_is_marked(k: int) -> None:
    shown = page(manifest(explained_variance=[0.951 / k] * k))
    assert len(shown.titles("Component [^<]*")) == len(shown.all("rect")) == k
    assert f"k = {k}: 95.1%" in shown.text("variance")
    assert "which reaches the target of 95%." in shown.text("variance")
    assert len(shown.all("line", **{"class": "target"})) == 1
    for bar in shown.all("rect"):
        assert -1 < float(bar["x"].rstrip("%")) < 100
        assert 0 < float(bar["height"].rstrip("%")) <= 100


@pytest.mark.parametrize(
    ("shares", "target", "said"),
    [
        ([0.5, 0.3], 0.95, "2 components keep 80.0% of the variance of the features; "
         "the target of 95% is not reached."),
        ([0.6, 0.2, 0.1], 0.75, "the target of 75% is reached by the first 2."),
        ([0.97], 0.95, "1 component keeps 97.0% of the variance of the features, "
         "which reaches the target of 95%."),
        ([0.7, 0.2], None, "2 components keep 90.0% of the variance of the features."),
        ([0.1] * 10, 1.0, "which reaches the target of 100%."),
    ],
)  # fmt: skip
def test_variance_is_compared_to_the_target(
    shares: list[float], target: float | None, said: str
) -> None:
    shown = page(manifest(explained_variance=shares, variance=target))
    assert said in shown.text("variance")
    assert len(shown.all("line", **{"class": "target"})) == (target is not None)


# Scales


@given(st.floats(-1e100, 1e100), st.floats(1e-6, 1e6))
@example(0.0, 1.0)
@example(0.5, 1.0)
def test_axis_has_a_few_evenly_spaced_ticks(low: float, span: float) -> None:
    span *= max(1.0, abs(low))
    axis = Axis(low, low + span)
    places = [at for at, _ in axis.ticks]
    assert 2 <= len(places) <= 8
    assert all(-1e-6 <= at <= 100 + 1e-6 for at in places)
    steps = [after - before for before, after in pairwise(places)]
    assert steps == pytest.approx([steps[0]] * len(steps))
    assert len({text for _, text in axis.ticks}) == len(places)
