"""`fruits report`: rewrites the report."""

import click

from fruits import pipeline
from fruits.cli.options import Verb, new_progress, settings_of
from fruits.settings import Settings
from fruits.terminal import echo


@click.command(cls=Verb, example="fruits report results/")
@click.argument("results")
@settings_of("max_megapixels", "config")
def report(results: str, settings: Settings) -> None:
    """Rewrite report.html: variance, labels, scatter, sample photos, rejects."""
    echo(pipeline.report(results, settings, new_progress()))
