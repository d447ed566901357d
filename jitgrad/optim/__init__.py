"""PyTorch's `optim` room: optimizers and learning-rate schedules, on the public Tensor API.

Updates are plain elementwise operations; a step ends with a flush of all that is pending.
"""

from jitgrad.optim import lr_scheduler
from jitgrad.optim.adagrad import Adagrad
from jitgrad.optim.adam import Adam, AdamW
from jitgrad.optim.optimizer import Optimizer
from jitgrad.optim.rmsprop import RMSprop
from jitgrad.optim.sgd import SGD

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "Optimizer", "RMSprop", "lr_scheduler"]
