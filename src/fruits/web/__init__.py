"""The web page that predicts which fruit a photo shows."""
