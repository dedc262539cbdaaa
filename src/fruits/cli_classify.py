"""The verbs of recognition: train, evaluate, predict."""

import io
import sys
from typing import TYPE_CHECKING, Any

import click

from fruits.cli_options import SPARK, Verb, new_progress, new_session, settings_of
from fruits.errors import FruitsError
from fruits.terminal import echo, echo_table

if TYPE_CHECKING:
    from fruits.settings import Settings


@click.command(cls=Verb, example="fruits train results/\nfruits train results/ --views 1")
@click.argument("results")
@click.option(
    "--views",
    type=click.Choice(["1", "6"]),
    help="6: train on each photo's whole, corners and middle, for which the photos are read again; "
    "more often right. 1: on the stored features. Default: 6 for up to 5,000 photos, else 1.",
)
@settings_of("max_megapixels", "reads_in_flight", "cache", *SPARK)
def train(results: str, views: str | None, settings: "Settings") -> None:
    """Stored features -> a classifier of the labels, judged by cross-validation."""
    from fruits import classify
    from fruits.recognise import read_measures
    from fruits.results import open_results

    progress = new_progress()
    spark = new_session(settings, progress, results)
    manifest = classify.train(spark, results, settings, int(views) if views else None, progress)
    facts = manifest.classifier or {}
    how = "the stored features" if facts["views"] == 1 else f"{facts['views']} views each"
    echo(f"Trained on {facts['photos']} photos of {facts['labels']} labels ({how}).")
    _measures(read_measures(open_results(results), photos=False) or {})
    echo(f"Report  {results.rstrip('/')}/report.html")


@click.command(
    cls=Verb,
    example="fruits evaluate results/\nfruits evaluate results/ --photos ~/test --json",
)
@click.argument("results")
@click.option(
    "--photos",
    metavar="FOLDER",
    help="Photos that training never saw, in folders named by label. Default: what "
    "cross-validation said in training.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else.")
@settings_of("max_megapixels", "reads_in_flight", "cache", *SPARK)
def evaluate(results: str, photos: str | None, as_json: bool, settings: "Settings") -> None:
    """How often the classifier is right, with 95 % intervals and two baselines."""
    import json

    from fruits.recognise import load_classifier, read_measures
    from fruits.results import open_results

    load_classifier(store := open_results(results))
    if photos:
        from fruits import classify

        progress = new_progress()
        spark = new_session(settings, progress, results, photos)
        measures = classify.evaluate(spark, results, photos, settings, progress).measures
    else:
        measures = read_measures(store, photos=False) or {}
    if as_json:
        click.echo(json.dumps(measures, indent=2))
    else:
        _measures(measures)


@click.command(
    cls=Verb,
    example="fruits predict results/ IMG_0412.jpg IMG_0413.heic\n"
    "fruits predict results/ s3://bucket/new --csv answers.csv",
)
@click.argument("results")
@click.argument("photos", nargs=-1, required=True, metavar="PHOTO...|FOLDER")
@click.option("--csv", metavar="FILE", help="Where the answers for a folder go. Default: printed.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a photo, a line each.")
@settings_of("max_megapixels", "reads_in_flight", "cache", *SPARK)
def predict(
    results: str, photos: tuple[str, ...], csv: str | None, as_json: bool, settings: "Settings"
) -> None:
    """Which fruit photos show. Photos at once; a folder or S3 prefix on Spark, to CSV.

    A photo that can't be read gets a line that says why, and exit code 1 in the end.
    """
    import os

    from fruits.photo import is_photo

    def is_folder(name: str) -> bool:
        return not is_photo(name) if "://" in name else os.path.isdir(name)

    folders = [photo for photo in photos if is_folder(photo)]
    if not folders:
        _predict_photos(results, photos, settings, as_json)
    elif len(photos) > 1 or as_json:
        raise FruitsError("give photos, or one folder (its answers are a CSV: --csv FILE)")
    else:
        _predict_folder(results, photos[0], settings, csv)


def _predict_photos(
    results: str, photos: tuple[str, ...], settings: "Settings", as_json: bool
) -> None:
    import json

    from fruits.errors import PhotoError
    from fruits.recognise import Recogniser

    recogniser, failed = Recogniser(results, settings), False
    for photo in photos:
        try:
            answer = recogniser.answer(_read(photo))
        except PhotoError as error:
            failed = True
            echo(
                json.dumps({"path": photo, "reason": str(error)}) if as_json
                else f"{photo}: {error}"
            )  # fmt: skip
            continue
        if as_json:
            top = [{"label": label, "probability": round(p, 6)} for label, p in answer.top]
            echo(json.dumps({"path": photo, "sure": answer.sure, **top[0], "top": top}))
        else:
            first, *rest = (f"{label} {p:.1%}" for label, p in answer.top)
            found = first if answer.sure else f"not sure; perhaps {first}"
            echo(f"{photo}: {found} ({', '.join(rest)})")
    if failed:
        sys.exit(1)


def _read(photo: str) -> bytes:
    from fruits.errors import PhotoError
    from fruits.photo import MAX_BYTES
    from fruits.storage import open_folder

    if "://" in photo:
        folder, _, name = photo.rpartition("/")
        return open_folder(folder).read(name)
    try:
        with open(photo, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise PhotoError(f"the file can't be read ({error.strerror})") from None
    if len(data) > MAX_BYTES:
        raise PhotoError(f"a file of more than {MAX_BYTES // 2**20} MB is not read as a photo")
    return data


def _predict_folder(results: str, photos: str, settings: "Settings", csv: str | None) -> None:
    import pyarrow.csv

    from fruits import classify
    from fruits.recognise import load_classifier
    from fruits.results import open_results

    load_classifier(open_results(results))
    progress = new_progress()
    spark = new_session(settings, progress, results, photos)
    table = classify.predict(spark, results, photos, settings, progress)
    try:
        if csv or not sys.stdout.isatty():
            pyarrow.csv.write_csv(table, csv or sys.stdout.buffer)
        else:
            pyarrow.csv.write_csv(table, shown := io.BytesIO())
            for line in shown.getvalue().decode("utf-8").split("\n")[:-1]:
                echo(line)
    except OSError as error:
        raise FruitsError(f"can't write {csv}: {error}") from None
    failed = table.num_rows - table["reason"].null_count
    if csv:
        echo(f"{table.num_rows - failed} answers, {failed} rejects: {csv}")
    if failed:
        sys.exit(1)


def _measures(measures: "dict[str, Any]") -> None:
    """The measures, as a short table."""
    from rich.table import Table

    def share(value: float | None) -> str:
        return "not defined" if value is None else f"{value:.1%}"

    def between(interval: list[float] | None) -> str:
        return f"{interval[0]:.1%} to {interval[1]:.1%}" if interval else ""

    table = Table(box=None, show_header=False, padding=(0, 2))
    table.add_row("photos", f"{measures['photos']}", measures["how"])
    for name, interval in measures["intervals"].items():
        table.add_row(name.replace("_", " "), share(measures[name]), between(interval))
    for name, baseline in measures["baselines"].items():
        value, interval = baseline["accuracy"], baseline["interval"]
        table.add_row(f"accuracy of {name.replace('_', ' ')}", share(value), between(interval))
    if measures.get("rejects"):
        table.add_row("rejects", f"{measures['rejects']}", "")
    if measures.get("other_photos"):
        not_sure = share(measures["other_photos_not_sure"])
        table.add_row("of other kinds", f"{measures['other_photos']}", f"not sure: {not_sure}")
    echo_table(table)
