"""MobileNetV2: found, checked, exported, run."""
