"""`fruits pca`: stored features -> PCA."""

import click

from fruits import pipeline
from fruits.cli.options import PCA, SPARK, Verb, new_progress, new_session, settings_of
from fruits.cli.summary import print_summary
from fruits.settings import Settings


@click.command(cls=Verb, example="fruits pca results/ --components 50")
@click.argument("results")
@settings_of(*PCA, "cache", *SPARK)
def pca(results: str, settings: Settings) -> None:
    """Stored features -> new PCA, CSV and report: the second half of `run`."""
    progress = new_progress()
    spark = new_session(settings, progress, results)
    print_summary(pipeline.pca(spark, results, settings, progress), results, progress)
