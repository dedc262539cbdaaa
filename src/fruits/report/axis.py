"""Linear scales of plots."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Axis:
    """A linear scale from data to percent of the plot's width or height."""

    low: float
    high: float
    unit: str = ""
    least_step: float = 0.0

    def at(self, value: float) -> float:
        """The position of a value, in percent from the low end."""
        return 100 * (value - self.low) / (self.high - self.low)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """At most eight (position in percent, text), 1, 2 or 5 times a power of ten apart."""
        rough = (self.high - self.low) / 7
        power = 10.0 ** math.floor(math.log10(rough))
        step = max(self.least_step, power * next(n for n in (1, 2, 5, 10) if n * power >= rough))
        digits = max(0, -math.floor(math.log10(step) + 1e-9))
        values = (n * step for n in range(math.ceil(self.low / step), int(self.high // step) + 1))
        return [
            (self.at(v), f"{v:,.{digits}f}".replace("-", "\N{MINUS SIGN}") + self.unit)
            for v in values
        ]
