"""The checks of `fruits doctor`: one function each, which returns what it found or raises."""
