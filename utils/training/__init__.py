"""Training: the compiled step, the loop around it, checkpoints and summaries."""

from utils import runtime

runtime.import_tensorflow()  # before anything else of the project can: it starts with less noise this way

from utils.training.loop import resume, train  # noqa: E402
from utils.training.summary import performance_summarizer  # noqa: E402

__all__ = ["performance_summarizer", "resume", "train"]
