"""The pages' templates: what they are given is text, and never markup, unless they say so."""

from jinja2 import Environment, PackageLoader, StrictUndefined


def environment() -> Environment:
    """Where the package's templates are found; what a template misses is an error."""
    return Environment(
        loader=PackageLoader("fruits", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
