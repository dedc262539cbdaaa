"""Photos of fruit -> MobileNetV2 features -> principal components, on Spark."""

__version__ = "0.1.0"
