"""A photo's bytes as a file that keeps no decoder busy for hours.

Pillow's readers look at the structure of a file in Python, some of them byte by byte: a small file
can be made of millions of empty parts.
"""

import io

from fruits.errors import PhotoError

_READS = 1_000_000
"""A few seconds; whole photos take thousands, PNGs of 100 megapixels a hundred thousand."""


class BoundedFile(io.BytesIO):
    """A file in memory that can be read so many times.

    Raises:
        PhotoError: it was read more often.
    """

    _reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self._reads += 1
        if self._reads > _READS:
            raise PhotoError(
                "the file has too many parts, or too much that is no image, to be read"
            )
        return super().read(size)
