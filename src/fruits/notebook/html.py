"""HTML that notebooks display.

Labels, paths and reasons are untrusted text: all of it passes through the template, which escapes
it.
"""

import base64
from collections.abc import Iterable
from dataclasses import dataclass, field

from fruits.errors import PhotoError
from fruits.photos.decode import thumbnail
from fruits.report.scatter import label_style
from fruits.settings import Settings
from fruits.storage import Folder
from fruits.templates import environment

SIDE = 120
"""The width of a photo, in pixels."""
NO_LABEL = "no label"
SHAPES = "●■▲◆▼"
"""The shapes of marks, as in the report; `plots` draws the same."""
_GREY = "#8a8a8a"


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
        jpeg = thumbnail(folder.read(path), SIDE, settings.max_pixels)
    except PhotoError as error:
        return {"path": path, "reason": str(error)}
    return {"path": path, "data": data_uri(jpeg, "jpeg")}


def data_uri(image: bytes, kind: str) -> str:
    """The bytes of an image of a kind (jpeg, png) as the source of an `img` element."""
    return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"


@dataclass(frozen=True)
class Mark:
    """What tells the photos of a label apart."""

    colour: str
    shape: int  # index of SHAPES

    @property
    def glyph(self) -> str:
        """The shape as text, for legends."""
        return SHAPES[self.shape]


def marks_of(labels: Iterable[str]) -> dict[str, Mark]:
    """The mark of each label, in the order of legends: NO_LABEL comes last, in grey."""
    found = set(labels)
    names = sorted(found - {NO_LABEL}, key=lambda name: (name.casefold(), name))
    marks = {}
    for i, name in enumerate(names):
        colour, _, shape = label_style(i, len(names))
        marks[name] = Mark(colour, shape)
    return marks | ({NO_LABEL: Mark(_GREY, 0)} if NO_LABEL in found else {})
