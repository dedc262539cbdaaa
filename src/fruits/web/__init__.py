"""The page that tells which fruit a photo shows."""
