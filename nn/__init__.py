"""Networks made of scalar Values: layers, losses, optimisers, data and a training loop, on top of `autograd`.

    import nn

    train, held_out = nn.split(nn.moons(200))
    model = nn.Sequential(nn.Linear(2, 16, init="he"), nn.ReLU(), nn.Linear(16, 2, init="he"))
    optimizer = nn.Adam(model.parameters(), lr=0.05)

    for epoch in range(10):                                           # what fit does
        for examples, targets in nn.batches(train, size=32):
            loss = nn.softmax_cross_entropy([model(x) for x in examples], targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    nn.fit(model, train, optimizer=optimizer, validation=held_out)    # the same with a progress bar, figures and checks
    scores = model(held_out.examples[0])                              # one Value per class; the greatest wins

Where to go on: help(nn.layers), help(nn.activations), help(nn.perceptron) for networks; help(nn.losses), help(nn.optim),
help(nn.schedules) and help(nn.init) for formulas; help(nn.data); help(nn.train), help(nn.callbacks), help(nn.checkpoint)
for training; help(nn.doctor) for what goes wrong; help(nn.plot) and nn.summary to look at it. There is no pooling and no
normalisation layer: a Module of a few lines can be either.
"""

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
from nn.optim import SGD, Adam, AdamW, Optimizer, RMSprop, clip_norm, clip_value, elementwise
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
    "elementwise",
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

_ELSEWHERE = {  # what PyTorch calls it
    "BCELoss": "nn.binary_cross_entropy",
    "BCEWithLogitsLoss": "nn.binary_cross_entropy_with_logits",
    "CrossEntropyLoss": "nn.softmax_cross_entropy",
    "L1Loss": "the mean of abs(output - target)",
    "MSELoss": "nn.mean_squared_error",
    "NLLLoss": "nn.cross_entropy, of probabilities",
    "Parameter": "autograd.Value, in an attribute of a Module",
    "linear": "nn.Linear, the layer; nn.data.linear, the data",
    "mse_loss": "nn.mean_squared_error",
}


def __getattr__(name: str) -> type[Activation]:
    """The layers made of activations, nn.ReLU and all the others: see `nn.activations`."""
    if name in _ACTIVATION_LAYERS:
        return _ACTIVATION_LAYERS[name]
    hint = did_you_mean(name.replace("_", ""), __dir__()) or did_you_mean(name, __dir__())
    if name in _ELSEWHERE:
        hint = f": here it is {_ELSEWHERE[name]}"
    raise AttributeError(f"module 'nn' has no attribute {name!r}{hint}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_ACTIVATION_LAYERS})
