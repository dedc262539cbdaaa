"""`fruits erase`: removes photos from the results."""

import click

import fruits.erase
from fruits.cli.options import SPARK, Verb, new_progress, new_session, settings_of
from fruits.settings import Settings
from fruits.terminal import echo


@click.command(
    cls=Verb,
    example="fruits erase results/ Apple/Gala/gala_007.jpg\n"
    "fruits erase results/ Banana/ --refit\n"
    "fruits erase results/ withdrawn.txt",
)
@click.argument("results")
@click.argument("photos", nargs=-1, required=True, metavar="PHOTO...")
@click.option(
    "--refit", is_flag=True, help="Refit the PCA and the classifier on the remaining photos."
)
@settings_of("max_megapixels", "cache", *SPARK)
def erase(results: str, photos: tuple[str, ...], refit: bool, settings: Settings) -> None:
    """Remove photos, and everything computed from them, from RESULTS.

    A PHOTO is a path as in results.csv, a folder or prefix of such paths, or a text file that
    lists them. The photos themselves are not deleted: delete them too, or the next run will read
    them again.
    """
    progress = new_progress()
    spark = new_session(settings, progress, results, upgrade=True)
    done = fruits.erase.erase(spark, results, photos, refit, settings, progress)
    echo(f"Erased {done.photos} photos: {done.rows} rows in all tables.")
    for name in done.unmatched:
        echo(f"No photo in these results matches {name}")
    if done.models:
        echo(
            f"These models were fitted with them and are still in use: {', '.join(done.models)}. "
            f"To fit them again, run `fruits pca {results}`"
            f"{f' and `fruits train {results}`' if 'classifier' in done.models else ''}."
        )
    echo("The photos themselves were not deleted: delete them at their source, too.")
