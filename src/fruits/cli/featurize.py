"""`fruits featurize`: photos -> features."""

import click

from fruits import pipeline
from fruits.cli.options import FEATURIZE, SPARK, Verb, new_progress, new_session, settings_of
from fruits.cli.summary import print_summary
from fruits.settings import Settings


@click.command(cls=Verb, example="fruits featurize ~/photos results/ --engine tensorflow")
@click.argument("photos")
@click.argument("results")
@settings_of(*FEATURIZE, *SPARK)
def featurize(photos: str, results: str, settings: Settings) -> None:
    """Photos -> features and rejects: only the first step of `run`."""
    progress = new_progress()
    spark = new_session(settings, progress, results, photos)
    print_summary(pipeline.featurize(spark, photos, results, settings, progress), results, progress)
