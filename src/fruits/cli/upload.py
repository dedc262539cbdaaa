"""`fruits upload`: copies photos to S3."""

import click

import fruits.photos.upload
from fruits.cli.options import Verb, new_progress, settings_of
from fruits.settings import Settings
from fruits.terminal import echo


@click.command(cls=Verb, example="fruits upload ~/photos s3://bucket/photos")
@click.argument("folder")
@click.argument("target", metavar="S3")
@settings_of("system_files")
def upload(folder: str, target: str, settings: Settings) -> None:
    """Copy the photos of a folder to S3, except those already there with the same size."""
    done = fruits.photos.upload.upload(
        folder, target, new_progress(), system_files=settings.system_files
    )
    echo(f"Uploaded {done.sent} photos to {target}; {done.already_there} were already there.")
    if done.unreadable:
        echo(f"Left out {done.unreadable} that can't be read; the first, {done.reason}")
