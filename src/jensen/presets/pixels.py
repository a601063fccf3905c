"""What the presets of the image models share: how they are trained on digits and on binarised MNIST."""

DIGITS = {"batch_size": 50, "learning_rate": 2e-3, "schedule": "linear", "validate_every": 100, "keep": "best"}
MNIST = {"batch_size": 64, "learning_rate": 1e-3, "schedule": "linear", "validate_every": 2000, "keep": "best"}
SMALL_MNIST = {**MNIST, "batch_size": 32}
