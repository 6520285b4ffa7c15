"""Training: the compiled step, the loop around it, checkpoints and the summary after each epoch."""

from utils.training.loop import resume, train
from utils.training.summary import performance_summarizer

__all__ = ["performance_summarizer", "resume", "train"]
