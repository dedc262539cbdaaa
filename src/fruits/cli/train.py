"""`fruits train`: trains a classifier."""

import click

from fruits import classify
from fruits.classifier.stored import read_validation
from fruits.cli.options import SPARK, Verb, new_progress, new_session, settings_of
from fruits.cli.summary import print_evaluation
from fruits.results import open_results
from fruits.settings import Settings
from fruits.terminal import echo


@click.command(cls=Verb, example="fruits train results/\nfruits train results/ --views 1")
@click.argument("results")
@click.option(
    "--views",
    type=click.Choice(["1", "6"]),
    help="6: train on the whole, the corners and the centre of each photo, which is more accurate, "
    "but reads the photos again. 1: train on the stored features. Default: 6 for up to 5,000 "
    "photos, else 1.",
)
@settings_of("max_megapixels", "reads_in_flight", "cache", *SPARK)
def train(results: str, views: str | None, settings: Settings) -> None:
    """Stored features -> a classifier of the labels, evaluated by cross-validation."""
    progress = new_progress()
    spark = new_session(settings, progress, results)
    manifest = classify.train(spark, results, settings, int(views) if views else None, progress)
    if training := manifest.classifier:
        how = "the stored features"
        if training.views > 1:
            how = f"{training.views} views each, at {training.depths} depths of the network"
        echo(
            f"Trained on {training.photos} photos of {training.labels} labels: {how}; "
            f"shrinkage {training.shrinkage:g}."
        )
        if training.held_out:
            echo(
                f"{training.held_out} photos of the test split were left out: "
                f"see `fruits evaluate {results} --split test`."
            )
    print_evaluation(read_validation(open_results(results)))
    echo(f"Report  {results.rstrip('/')}/report.html")
