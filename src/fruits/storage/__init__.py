"""Access to files in local folders and S3 buckets."""

from fruits.storage.folder import Folder, open_folder, split_name

__all__ = ["Folder", "open_folder", "split_name"]
