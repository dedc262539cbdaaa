"""The report, written anew."""

import click

from fruits import pipeline
from fruits.cli.options import SPARK, Verb, new_progress, new_session, settings_of
from fruits.settings import Settings
from fruits.terminal import echo


@click.command(cls=Verb, example="fruits report results/")
@click.argument("results")
@settings_of(*SPARK)
def report(results: str, settings: Settings) -> None:
    """Write report.html anew: variance, labels, scatter, sample photos, rejects."""
    progress = new_progress()
    echo(pipeline.report(new_session(settings, progress, results), results, progress))
