"""The device that networks are trained on and forecast with."""

import torch

from ..params import InputError

CPU = torch.device("cpu")


def choose_device(wanted: str) -> torch.device:
    """Choose the GPU where there is one; refuse where one was asked for and there is none."""
    if wanted == "cuda" and not torch.cuda.is_available():
        raise InputError("training.device is cuda, and torch finds no GPU here.")
    if wanted == "cpu" or not torch.cuda.is_available():
        return CPU
    return torch.device("cuda", torch.cuda.current_device())
