"""Which files are photos, told by their names."""

EXTENSIONS = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".jfi", ".pjpeg", ".pjp", ".mpo", ".jps"}
    | {".png", ".apng", ".pns", ".webp", ".bmp", ".dib", ".gif", ".tif", ".tiff"}
    | {".avif", ".avifs", ".heic", ".heics", ".heif", ".heifs", ".hif"}
    | {".ppm", ".pgm", ".pbm", ".pnm"}
)
"""The formats of `decode.py`, with the names that cameras, phones and browsers give them."""


def is_photo(name: str) -> bool:
    """Whether a file name has an extension of a photo, in upper or lower case."""
    return name[name.rfind(".") :].lower() in EXTENSIONS if "." in name else False
