#!/usr/bin/python3
"""Writes the networks here by PyTorch's own exporter, and outputs.json: rows, and what PyTorch answers to them.

    tests/data/onnx/make_onnx.py [FOLDER]      Debian's python3-torch; test_onnx_in.py has the networks made anew, too
"""
import io
import json
import os
import sys
import warnings

import torch
from torch import nn


class Scaled(nn.Module):
    """A network with its inputs' mean and deviation in it, as a user without a pipeline has it."""

    def __init__(self, net, mean, deviation):
        super().__init__()
        self.net = net
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("deviation", torch.tensor(deviation))

    def forward(self, x):
        return self.net((x - self.mean) / self.deviation)


class Pixels(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net(x.view(-1, 4) / 255)


def networks():
    """Name, network, an input, and more of the exporter's arguments."""
    torch.manual_seed(1)
    row, image = torch.zeros(1, 4), torch.zeros(1, 1, 2, 2)
    free = {"input_names": ["x"], "dynamic_axes": {"x": {0: "batch"}}}
    plain = {"do_constant_folding": False, "training": torch.onnx.TrainingMode.PRESERVE}
    return [
        ("tanh-softmax", nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Dropout(0.5), nn.Linear(6, 3), nn.Softmax(dim=1)), row, free),
        ("image-relu-sigmoid", nn.Sequential(nn.Flatten(), nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2), nn.Sigmoid()), image, {}),
        ("no-biases-linear", nn.Sequential(nn.Linear(4, 6, bias=False), nn.Sigmoid(), nn.Linear(6, 2)), torch.zeros(4), plain),
        ("linear-tanh", nn.Sequential(nn.Linear(4, 6), nn.Linear(6, 5), nn.Sigmoid(), nn.Linear(5, 1), nn.Tanh()), row, {"opset_version": 9}),
        ("scaled-softmax", Scaled(nn.Sequential(nn.Linear(4, 3), nn.Softmax(dim=-1)), [1.0, -2.0, 30.0, 0.5], [2.0, 3.0, 10.0, 0.7]), row, free),
        ("pixels-relu-linear", Pixels(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))), image, {"opset_version": 17}),
    ]


def made():
    """Name, the file's bytes, rows of four and outputs, of each network."""
    for name, net, example, options in networks():
        file = io.BytesIO()
        net.eval()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(net, example, file, **options)
        rows = torch.randn(7, 4) * 20
        shaped = rows.reshape(7, 1, 2, 2) if example.dim() == 4 else rows
        yield name, file.getvalue(), rows.tolist(), net(shaped).detach().tolist()


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
    outputs = {}
    for name, body, rows, answers in made():
        with open(os.path.join(folder, name + ".onnx"), "wb") as file:
            file.write(body)
        outputs[name] = {"inputs": rows, "outputs": answers}
    with open(os.path.join(folder, "outputs.json"), "w") as file:
        json.dump(outputs, file, indent=None, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
