"""Networks made of scalar Values: layers, losses, optimisers, data and a training loop, on top of `autograd`."""

from nn import activations, schedules
from nn.callbacks import Callback, EarlyStopping
from nn.checkpoint import CheckpointError, SaveCheckpoint, load, save
from nn.data import (
    DataError,
    Dataset,
    Standardizer,
    batches,
    circles,
    load_csv,
    load_digits,
    load_iris,
    moons,
    spirals,
    split,
    xor,
)
from nn.doctor import Diagnosis, Doctor, Finding, TrainingWarning, diagnose, origin_of_nonfinite
from nn.layers import Activation, Conv2d, Dropout, Flatten, Linear, Sequential
from nn.losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    correct_for,
    cross_entropy,
    half_squared_error,
    hinge,
    is_correct,
    l1_penalty,
    l2_penalty,
    log_softmax,
    mean_loss,
    mean_squared_error,
    softmax,
    softmax_cross_entropy,
)
from nn.module import Module
from nn.optim import SGD, Adam, AdamW, Optimizer, RMSprop, clip_norm, clip_value
from nn.perceptron import MLP, Layer, Neuron
from nn.plot import GradientSizes, LivePlot, plot_activations, plot_boundary, plot_history, plot_weights
from nn.summary import Summary, summary
from nn.train import History, Training, TrainingError, evaluate, fit
from nn.words import did_you_mean

__all__ = [
    "MLP",
    "SGD",
    "Activation",
    "Adam",
    "AdamW",
    "Callback",
    "CheckpointError",
    "Conv2d",
    "DataError",
    "Dataset",
    "Diagnosis",
    "Doctor",
    "Dropout",
    "EarlyStopping",
    "Finding",
    "Flatten",
    "GradientSizes",
    "History",
    "Layer",
    "Linear",
    "LivePlot",
    "Module",
    "Neuron",
    "Optimizer",
    "RMSprop",
    "SaveCheckpoint",
    "Sequential",
    "Standardizer",
    "Summary",
    "Training",
    "TrainingError",
    "TrainingWarning",
    "batches",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "circles",
    "clip_norm",
    "clip_value",
    "correct_for",
    "cross_entropy",
    "diagnose",
    "evaluate",
    "fit",
    "half_squared_error",
    "hinge",
    "is_correct",
    "l1_penalty",
    "l2_penalty",
    "load",
    "load_csv",
    "load_digits",
    "load_iris",
    "log_softmax",
    "mean_loss",
    "mean_squared_error",
    "moons",
    "origin_of_nonfinite",
    "plot_activations",
    "plot_boundary",
    "plot_history",
    "plot_weights",
    "save",
    "schedules",
    "softmax",
    "softmax_cross_entropy",
    "spirals",
    "split",
    "summary",
    "xor",
]

_ACTIVATION_LAYERS = {layer.__name__: layer for layer in activations.CLASSES.values()}


def __getattr__(name: str) -> type[Activation]:
    """The layers made of activations, nn.ReLU and all the others: see `nn.activations`."""
    if name in _ACTIVATION_LAYERS:
        return _ACTIVATION_LAYERS[name]
    known = activations.CLASSES[name].__name__ if name in activations.CLASSES else name
    raise AttributeError(f"module 'nn' has no attribute {name!r}{did_you_mean(known, __dir__())}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_ACTIVATION_LAYERS})
