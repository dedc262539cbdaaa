"""Files and folders that systems and programs leave among photos, told by their names.

Folders named `Trash` or `Recycled` are not among them, as data sets of waste have such labels.
"""

_HIDDEN = "hidden"
_APPLE = "AppleDouble"
_TRASH = "trash"
_THUMBNAILS = "thumbnails"
_SNAPSHOTS = "snapshots"
_SYSTEM = "system"

_KINDS = {
    # macOS: resource forks in zip files, and on disks without them.
    "__macosx": _APPLE,
    ".appledouble": _APPLE,
    "network trash folder": _TRASH,
    "temporary items": _SYSTEM,
    "thevolumesettingsfolder": _SYSTEM,
    # Windows, from XP to 11.
    "$recycle.bin": _TRASH,
    "recycler": _TRASH,
    "system volume information": _SYSTEM,
    "_vti_cnf": _SYSTEM,  # FrontPage: a text file per picture, of the same name
    **{f"found.{i:03}": _SYSTEM for i in range(1000)},  # fragments that chkdsk has found
    # Linux.
    ".trash": _TRASH,
    "lost+found": _SYSTEM,
    ".thumbnails": _THUMBNAILS,
    ".xvpics": _THUMBNAILS,
    # NAS: Synology, QNAP, Buffalo, Unraid, Samba's vfs_recycle, NetApp.
    "@eadir": _THUMBNAILS,
    "#recycle": _TRASH,
    "#snapshot": _SNAPSHOTS,
    "@tmp": _SYSTEM,
    "@sharesnap": _SNAPSHOTS,
    ".@__thumb": _THUMBNAILS,
    "@__thumb": _THUMBNAILS,
    "@recycle": _TRASH,
    "@recently-snapshot": _SNAPSHOTS,
    "trashbox": _TRASH,
    ".recycle.bin": _TRASH,
    ".recycle": _TRASH,
    ".snapshot": _SNAPSHOTS,
    ".snapshots": _SNAPSHOTS,
    "~snapshot": _SNAPSHOTS,
    ".zfs": _SNAPSHOTS,
    # Hadoop: the output of a job that has not finished.
    "_temporary": _SYSTEM,
}
"""Names in lower case. Apart from these, all names that begin with a dot are hidden."""
_PREFIXES = {
    "._": _APPLE,
    ".trash-": _TRASH,  # Linux: one per user
    ".trashed-": _TRASH,  # Android: files
}
_LIGHTROOM = " previews.lrdata"


def kind_of(name: str) -> str | None:
    """The kind of system file or folder with this name; None for a file or folder of the user."""
    lower = name.lower()
    if kind := _KINDS.get(lower):
        return kind
    for prefix, kind in _PREFIXES.items():
        if lower.startswith(prefix):
            return kind
    if lower.endswith(_LIGHTROOM):
        return _THUMBNAILS
    return _HIDDEN if name.startswith(".") else None


def is_inside(path: str) -> bool:
    """Whether a path, relative to a folder of photos, is that of a system file."""
    return any(map(kind_of, path.split("/")))
