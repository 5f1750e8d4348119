"""Training by PyTorch: as everybody does it (eager), or without autograd, into tensors made
beforehand (hand).     peer_torch.py FOLDER CORES eager|hand"""
import ctypes
import os
import time
import warnings

import numpy
import torch

import peer


class Torch:
    def __init__(self, net, cores, _how):
        self.net = net
        self.x, self.y = torch.from_numpy(net.x), torch.from_numpy(net.one_hot)
        self.about = "PyTorch %s, %s" % (torch.__version__, blas())
        self.make()
        torch.set_num_threads(1)
        if cores > 1:
            # Its own threads and its BLAS's get into each other's way: the better of two is taken.
            self.load(net.weights())
            threads = min((1, cores), key=self.try_threads)
            torch.set_num_threads(threads)
            self.about += ", set_num_threads(%d)" % threads

    def try_threads(self, threads):
        torch.set_num_threads(threads)
        best = 1e9
        for _ in range(4):
            began = time.perf_counter()
            for i in range(self.net.steps):
                self.step(self.net.order[i * self.net.batch:(i + 1) * self.net.batch])
            best = min(best, time.perf_counter() - began)
        return best

    def shuffled(self):
        return torch.randperm(self.net.rows)


class Eager(Torch):
    def make(self):
        layers = []
        for into, out in zip(self.net.units, self.net.units[1:]):
            layers += [torch.nn.Linear(into, out), torch.nn.Sigmoid()]
        self.model = torch.nn.Sequential(*layers[:-1])  # the last sigmoid is in the loss
        self.loss = torch.nn.BCEWithLogitsLoss(reduction="sum")
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=self.net.eta)

    def load(self, pairs):
        with torch.no_grad():
            for layer, (w, b) in zip(self.model[::2], pairs):
                layer.weight.copy_(torch.from_numpy(w.copy()))
                layer.bias.copy_(torch.from_numpy(b.copy()))

    def store(self):
        return [(layer.weight.detach().numpy(), layer.bias.detach().numpy())
                for layer in self.model[::2]]

    def step(self, rows):
        rows = torch.as_tensor(rows)
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(self.model(self.x[rows]), self.y[rows]) / len(rows)
        loss.backward()
        self.optimizer.step()


class Hand(Torch):
    def make(self):
        net = self.net
        self.buffers = {m: [[torch.empty(m, n) for n in net.units], [torch.empty(m, n) for n in net.units]]
                        for m in {net.batch, net.rows % net.batch or net.batch}}

    def load(self, pairs):
        self.pairs = [(torch.from_numpy(w.T.copy()), torch.from_numpy(b.copy())) for w, b in pairs]

    def store(self):
        return [(w.numpy().T, b.numpy()) for w, b in self.pairs]

    @torch.no_grad()
    def step(self, rows):
        rows = torch.as_tensor(rows)
        rate = -self.net.eta / len(rows)
        a, d = self.buffers[len(rows)]
        torch.index_select(self.x, 0, rows, out=a[0])
        for l, (w, b) in enumerate(self.pairs):
            torch.addmm(b, a[l], w, out=a[l + 1]).sigmoid_()
        torch.sub(a[-1], self.y[rows], out=d[-1])
        for l in range(len(self.pairs) - 1, -1, -1):
            w, b = self.pairs[l]
            if l > 0:
                torch.mm(d[l + 1], w.t(), out=d[l])
                torch.ops.aten.sigmoid_backward.grad_input(d[l], a[l], grad_input=d[l])
            w.addmm_(a[l].t(), d[l + 1], alpha=rate)
            b.add_(d[l + 1].sum(0), alpha=rate)


def blas():
    """Which kernels the BLAS that torch has loaded runs."""
    with open("/proc/self/maps") as file:
        paths = {line.split()[-1] for line in file if "blas" in os.path.basename(line.split()[-1])}
    for path in sorted(paths):
        try:
            name = ctypes.CDLL(path).openblas_get_corename
        except (OSError, AttributeError):
            continue
        name.restype = ctypes.c_char_p
        return "OpenBLAS %s kernels" % name().decode()
    return "BLAS " + ", ".join(sorted(paths))


def make(net, cores, how):
    return {"eager": Eager, "hand": Hand}[how](net, cores, how)


if __name__ == "__main__":
    warnings.filterwarnings("ignore", "The given NumPy array is not writable")  # nor is it written to
    numpy.random.seed(1)
    torch.manual_seed(1)
    peer.main(make)
