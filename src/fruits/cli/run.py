"""`fruits run`: photos -> features, PCA, CSV and report."""

import click

from fruits import pipeline
from fruits.cli.options import (
    FEATURIZE,
    PCA,
    SPARK,
    Verb,
    new_progress,
    new_session,
    settings_of,
)
from fruits.cli.summary import print_summary
from fruits.settings import Settings


@click.command(
    cls=Verb, example="fruits run ~/photos results/\nfruits run s3://b/photos s3://b/out"
)
@click.argument("photos")
@click.argument("results")
@click.option(
    "--keep-pca",
    is_flag=True,
    help="Project new photos with the existing PCA instead of refitting it.",
)
@settings_of(*FEATURIZE, *PCA, *SPARK)
def run(photos: str, results: str, keep_pca: bool, settings: Settings) -> None:
    """Photos -> features, PCA, CSV and report: all steps, for new and changed photos only."""
    progress = new_progress()
    spark = new_session(settings, progress, results, photos)
    manifest = pipeline.run(spark, photos, results, settings, progress, keep_pca=keep_pca)
    print_summary(manifest, results, progress)
