"""Stored features -> PCA."""

import click

from fruits import pipeline
from fruits.cli.options import REDUCE, SPARK, Verb, new_progress, new_session, settings_of
from fruits.cli.summary import print_summary
from fruits.settings import Settings


@click.command(cls=Verb, example="fruits reduce results/ --components 50")
@click.argument("results")
@settings_of(*REDUCE, *SPARK)
def reduce(results: str, settings: Settings) -> None:
    """Stored features -> PCA, CSV and report, fitted anew: the second half of `run`."""
    progress = new_progress()
    spark = new_session(settings, progress, results)
    print_summary(pipeline.reduce(spark, results, settings, progress), results, progress)
