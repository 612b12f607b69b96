"""Networks made of scalar Values: layers, losses, optimisers, data and a training loop, on top of `autograd`."""

from nn.data import DataError, Dataset, Standardizer, load_csv, load_digits, load_iris, split
from nn.layers import MLP, Layer, Neuron
from nn.losses import half_squared_error, hinge, mean_loss, softmax_cross_entropy
from nn.module import Module
from nn.optim import SGD, Adam, Optimizer
from nn.train import History, TrainingError, evaluate, fit, is_correct

__all__ = [
    "MLP",
    "SGD",
    "Adam",
    "DataError",
    "Dataset",
    "History",
    "Layer",
    "Module",
    "Neuron",
    "Optimizer",
    "Standardizer",
    "TrainingError",
    "evaluate",
    "fit",
    "half_squared_error",
    "hinge",
    "is_correct",
    "load_csv",
    "load_digits",
    "load_iris",
    "mean_loss",
    "softmax_cross_entropy",
    "split",
]
