"""`fruits evaluate`: metrics of the classifier."""

import click

from fruits import classify, signals
from fruits.classifier.stored import load_classifier, read_validation
from fruits.cli.options import SPARK, Verb, new_progress, new_session, settings_of
from fruits.cli.summary import print_evaluation
from fruits.photos.labels import SPLITS
from fruits.results import open_results
from fruits.settings import Settings


@click.command(
    cls=Verb,
    example="fruits evaluate results/\nfruits evaluate results/ --photos ~/test --json\n"
    "fruits evaluate results/ --split test",
)
@click.argument("results")
@click.option(
    "--photos",
    metavar="FOLDER",
    help="Photos that were not used in training, in folders named by label. Default: the metrics "
    "of the cross-validation in training.",
)
@click.option(
    "--split",
    type=click.Choice(SPLITS),
    help="Only the photos in folders of this split, such as Test or test_set. With --split, "
    "--photos are by default those of the results.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@settings_of("labels", "system_files", "max_megapixels", "reads_in_flight", "cache", *SPARK)
def evaluate(
    results: str, photos: str | None, split: str | None, as_json: bool, settings: Settings
) -> None:
    """Metrics of the classifier, with 95% intervals and two baselines."""
    if photos or split:
        signals.note(f"{results} is as it was before")
    load_classifier(store := open_results(results))
    if split and not photos:
        photos = store.current().photos
    if photos:
        progress = new_progress()
        spark = new_session(settings, progress, results, photos)
        done = classify.evaluate(spark, results, photos, settings, progress, split=split)
        evaluation = done.evaluation
    else:
        evaluation = read_validation(store)
    if as_json:
        click.echo(evaluation.to_json())
    else:
        print_evaluation(evaluation)
