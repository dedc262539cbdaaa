"""Bytes in folders and buckets."""

from fruits.storage.folder import Folder, open_folder

__all__ = ["Folder", "open_folder"]
