"""HTML that notebooks display.

Labels, paths and reasons are untrusted text: all of it passes through the template, which escapes
it.
"""

import base64
from collections.abc import Iterable
from dataclasses import dataclass, field

from fruits.errors import PhotoError
from fruits.photos.decode import thumbnail
from fruits.report.render import label_style
from fruits.settings import Settings
from fruits.storage import Folder
from fruits.templates import environment

SIDE = 120
"""The width of a photo, in pixels."""
_NO_LABEL = "#8a8a8a"


@dataclass(frozen=True)
class Html:
    """HTML markup that a notebook displays."""

    data: str = field(repr=False)  # a notebook also stores the representation as text

    def _repr_html_(self) -> str:
        return self.data


def html(macro: str, *values: object) -> Html:
    """What a macro of the template makes of these values."""
    template = environment().get_template("notebook/notebook.html.j2")
    return Html(getattr(template.module, macro)(*values))


def picture(folder: Folder, path: str, settings: Settings) -> dict[str, str]:
    """The thumbnail of a photo, or the reason why there is none."""
    try:
        jpeg = thumbnail(folder.read(path), SIDE, max_pixels(settings))
    except PhotoError as error:
        return {"path": path, "reason": str(error)}
    return {"path": path, "data": data_uri(jpeg, "jpeg")}


def data_uri(image: bytes, kind: str) -> str:
    """The bytes of an image of a kind (jpeg, png) as the source of an `img` element."""
    return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"


def max_pixels(settings: Settings) -> int:
    """The maximum number of pixels of a photo."""
    return settings.max_megapixels * 1_000_000


def colours(labels: Iterable[str | None]) -> dict[str, str]:
    """The colour of each label, in order of the labels; grey for photos without one, the last."""
    found = set(labels)
    names = sorted(filter(None, found), key=lambda name: (name.casefold(), name))
    by_label = {name: label_style(i, len(names))[0] for i, name in enumerate(names)}
    return by_label | ({"no label": _NO_LABEL} if found - set(names) else {})
