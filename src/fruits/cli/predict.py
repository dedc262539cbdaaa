"""`fruits predict`: predicts which fruit photos show."""

import io
import json
import os
import sys

import click

from fruits.classifier.predictor import Predictor
from fruits.classifier.stored import load_classifier
from fruits.cli.options import SPARK, Verb, new_progress, new_session, settings_of
from fruits.errors import FruitsError, PhotoError
from fruits.photos.decode import MAX_BYTES
from fruits.photos.extensions import is_photo
from fruits.results import open_results
from fruits.settings import Settings
from fruits.storage import open_folder, split_name
from fruits.terminal import echo


@click.command(
    cls=Verb,
    example="fruits predict results/ IMG_0412.jpg IMG_0413.heic\n"
    "fruits predict results/ s3://bucket/new --csv predictions.csv",
)
@click.argument("results")
@click.argument("photos", nargs=-1, required=True, metavar="PHOTO...|FOLDER")
@click.option(
    "--csv",
    metavar="FILE",
    help="Write the predictions for a folder to this file. Default: print them.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object per photo, one per line."
)
@settings_of("system_files", "max_megapixels", "reads_in_flight", "cache", *SPARK)
def predict(
    results: str, photos: tuple[str, ...], csv: str | None, as_json: bool, settings: Settings
) -> None:
    """Predict which fruit photos show.

    Single photos are predicted immediately, a folder or S3 prefix on Spark, as CSV. For a photo
    that can't be read, the reason is printed, and the exit code is 1.
    """

    def is_folder(name: str) -> bool:
        return not is_photo(name) if "://" in name else os.path.isdir(name)

    folders = [photo for photo in photos if is_folder(photo)]
    if not folders:
        if csv is not None:
            raise FruitsError(f"--csv is for the photos of a folder, and {photos[0]} is not one")
        _predict_photos(results, photos, settings, as_json)
    elif len(photos) > 1 or as_json:
        raise FruitsError("pass photos, or one folder (whose predictions are a CSV: --csv FILE)")
    else:
        _predict_folder(results, photos[0], settings, csv)


def _predict_photos(
    results: str, photos: tuple[str, ...], settings: Settings, as_json: bool
) -> None:
    predictor, failed = Predictor(results, settings), False
    for photo in photos:
        try:
            prediction = predictor.predict(_read(photo))
        except PhotoError as error:
            failed = True
            echo(
                json.dumps({"path": photo, "reason": str(error)}) if as_json
                else f"{photo}: {error}"
            )  # fmt: skip
            continue
        if as_json:
            top = [{"label": label, "probability": round(p, 6)} for label, p in prediction.top]
            confident = prediction.confident
            echo(json.dumps({"path": photo, "confident": confident, **top[0], "top": top}))
        else:
            first, *rest = (f"{label} {p:.1%}" for label, p in prediction.top)
            label = first if prediction.confident else f"not sure; perhaps {first}"
            echo(f"{photo}: {label} ({', '.join(rest)})")
    if failed:
        sys.exit(1)


def _read(photo: str) -> bytes:
    if "://" in photo:
        folder, name = split_name(photo)
        return open_folder(folder).read(name)
    try:
        with open(photo, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise PhotoError(f"the file can't be read ({error.strerror})") from None
    if len(data) > MAX_BYTES:
        raise PhotoError(f"files of more than {MAX_BYTES // 2**20} MB are not read as photos")
    return data


def _predict_folder(results: str, photos: str, settings: Settings, csv: str | None) -> None:
    # Slow to import, and not needed for single photos.
    from fruits import classify
    from fruits.csv_cells import write_csv

    load_classifier(open_results(results))
    progress = new_progress()
    spark = new_session(settings, progress, results, photos, writes=False)
    table = classify.predict(spark, results, photos, settings, progress)
    try:
        if csv or not sys.stdout.isatty():
            write_csv(table, csv or sys.stdout.buffer)
        else:
            write_csv(table, shown := io.BytesIO())
            for line in shown.getvalue().decode("utf-8").split("\n")[:-1]:
                echo(line)
    except OSError as error:
        if not csv:
            raise
        raise FruitsError(f"can't write {csv}: {error}") from None
    failed = table.num_rows - table["reason"].null_count
    if csv:
        echo(f"{table.num_rows - failed} predictions, {failed} rejects: {csv}")
    if failed:
        sys.exit(1)
