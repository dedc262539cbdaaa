"""Jinja templates, with autoescaping: values are text, not markup, unless a template says so."""

from jinja2 import Environment, PackageLoader, StrictUndefined


def environment() -> Environment:
    """The Jinja environment of the package's templates; undefined variables are errors."""
    return Environment(
        loader=PackageLoader("fruits", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
