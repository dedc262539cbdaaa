"""Shows photos: some of a folder, similar ones, on a map, or with a prediction."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

from fruits.classifier.predictor import Prediction
from fruits.errors import PhotosError
from fruits.notebook.html import (
    NO_LABEL,
    SIDE,
    Html,
    data_uri,
    html,
    marks_of,
    picture,
)
from fruits.photos.decode import thumbnail
from fruits.photos.listing import list_photos
from fruits.results import open_results
from fruits.settings import Settings, load
from fruits.steps import nearest_photos, stored_points
from fruits.storage import open_folder

_SAMPLES = Path("/opt/fruits/photos")  # in the Hub's image
_NEARLY_1, _WORTH_SAYING = 0.995, 0.05  # as on the page
"""Probabilities that would be rounded to 100% or to 0%."""
_ON_MAP = 150  # photos
_APART = (4.0, 7.0)
"""Photos on a map are at least this far apart, in percent of its width or of its height."""


def show_photos(
    photos: str,
    captions: Mapping[str, str] | None = None,
    count: int = 16,
    settings: Settings | None = None,
) -> Html:
    """Photos of a folder, with captions: the label of each, if `captions` (by path) is None.

    Without `captions`, shows `count` photos, of as many labels as possible.

    Raises:
        FruitsError: the folder has no photos, or can't be read.
    """
    settings = settings or load()
    folder = open_folder(photos)
    if captions is None:
        captions = _of_all_labels(photos, count, settings)
    return html(
        "photos",
        [(picture(folder, path, settings), text) for path, text in captions.items()],
    )


def _of_all_labels(photos: str, count: int, settings: Settings) -> dict[str, str]:
    """(path, label) of the first photo of each label, then the second of each, and so on."""
    listed = list_photos(
        open_folder(photos), settings.labels, system_files=settings.system_files
    ).table
    if not len(listed):
        hint = f"`fruits upload FOLDER {photos}`"
        if _SAMPLES.is_dir():
            hint = f"`fruits upload {_SAMPLES} {photos}` uploads some samples"
        raise PhotosError(f"there are no photos in {photos} yet: {hint}")
    seen: Counter[str | None] = Counter()
    rounds: dict[int, dict[str, str]] = defaultdict(dict)
    pairs = zip(listed["path"].to_pylist(), listed["label"].to_pylist(), strict=True)
    for path, label in pairs:
        if seen[label] < count:
            rounds[seen[label]][path] = label or NO_LABEL
            seen[label] += 1
    chosen = [item for turn in sorted(rounds) for item in rounds[turn].items()]
    return dict(chosen[:count])


def show_nearest(results: str, path: str, count: int = 5, settings: Settings | None = None) -> Html:
    """A photo, and the photos whose features are most similar to its own.

    Raises:
        FruitsError: there are no results of this photo, or the photos can't be read.
    """
    captions = {path: "this photo"}
    for neighbour in nearest_photos(results, path, count):
        captions[neighbour.path] = f"{neighbour.label or 'no label'}, {neighbour.similarity:.2f}"
    return show_photos(open_results(results).current().photos, captions, settings=settings)


def show_prediction(photo: bytes, prediction: Prediction, settings: Settings | None = None) -> Html:
    """A photo with its most probable labels.

    Raises:
        PhotoError: it is not a usable image.
    """
    jpeg = thumbnail(photo, SIDE, (settings or load()).max_pixels)
    rows = [
        (label, f"{share:.0%}" if share < _NEARLY_1 else "> 99%", round(100 * share, 1))
        for i, (label, share) in enumerate(prediction.top)
        if i == 0 or share >= _WORTH_SAYING
    ]
    return html("prediction", data_uri(jpeg, "jpeg"), rows, prediction.confident)


def show_map(results: str, settings: Settings | None = None) -> Html:
    """Photos at their first two principal components, framed in the colour of their label.

    Hovering over a photo shows its path. At most 150 photos are shown, and of those that would
    cover one another, one.

    Raises:
        FruitsError: there are no results with a PCA, or the photos can't be read.
    """
    settings = settings or load()
    points = stored_points(results)
    manifest = open_results(results).current()
    folder = open_folder(manifest.photos)
    marks = marks_of(point.label or NO_LABEL for point in points)
    left, top = _percent([point.x for point in points]), _percent([point.y for point in points])
    placed: list[tuple[dict[str, str], float, float, str]] = []
    for point, x, from_below in zip(points, left, top, strict=True):
        y = 100 - from_below  # pages count from the top
        if len(placed) == _ON_MAP or any(
            abs(x - other[1]) < _APART[0] and abs(y - other[2]) < _APART[1] for other in placed
        ):
            continue
        photo = picture(folder, point.path, settings)
        if "data" in photo:  # else it has changed since
            placed.append((photo, x, y, marks[point.label or NO_LABEL].colour))
    return html("map", placed, marks, manifest.counts["features"])


def _percent(values: list[float]) -> list[float]:
    """Values -> 5 for the smallest, 95 for the largest, so that photos fit in between."""
    low, high = min(values), max(values)
    return [round(5 + 90 * (value - low) / ((high - low) or 1), 2) for value in values]
