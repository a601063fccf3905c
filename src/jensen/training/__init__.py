"""fit, checkpoints, and the engines that make the steps."""

from jensen.training.config import Training
from jensen.training.fit import FitResult, fit
from jensen.training.load import load
from jensen.training.loop import Stopped

__all__ = ["FitResult", "Stopped", "Training", "fit", "load"]
