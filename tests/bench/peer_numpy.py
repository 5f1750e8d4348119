"""Training by numpy: row by row as in the book's network2.py, in float64 as there (rows), or a whole
mini-batch a product, in float32 (matrix).     peer_numpy.py FOLDER CORES rows|matrix"""
import numpy

import peer


def sigmoid(z):
    return 1.0 / (1.0 + numpy.exp(-z))


class Rows:
    """network2.py's update_mini_batch and backprop, with CrossEntropyCost."""

    def __init__(self, net, _cores):
        self.net = net
        self.about = "numpy %s" % numpy.__version__
        self.sizes = net.units

    def load(self, pairs):
        self.weights = [w.astype(numpy.float64) for w, _ in pairs]
        self.biases = [b.astype(numpy.float64).reshape(-1, 1) for _, b in pairs]

    def store(self):
        return list(zip(self.weights, self.biases))

    def step(self, rows):
        batch = [(self.net.x[i].reshape(-1, 1).astype(numpy.float64), self.net.one_hot[i].reshape(-1, 1))
                 for i in rows]
        nabla_b = [numpy.zeros(b.shape) for b in self.biases]
        nabla_w = [numpy.zeros(w.shape) for w in self.weights]
        for x, y in batch:
            delta_nabla_b, delta_nabla_w = self.backprop(x, y)
            nabla_b = [nb + dnb for nb, dnb in zip(nabla_b, delta_nabla_b)]
            nabla_w = [nw + dnw for nw, dnw in zip(nabla_w, delta_nabla_w)]
        rate = self.net.eta / len(batch)
        self.weights = [w - rate * nw for w, nw in zip(self.weights, nabla_w)]
        self.biases = [b - rate * nb for b, nb in zip(self.biases, nabla_b)]

    def backprop(self, x, y):
        nabla_b = [numpy.zeros(b.shape) for b in self.biases]
        nabla_w = [numpy.zeros(w.shape) for w in self.weights]
        activation, activations, zs = x, [x], []
        for b, w in zip(self.biases, self.weights):
            z = numpy.dot(w, activation) + b
            zs.append(z)
            activation = sigmoid(z)
            activations.append(activation)
        delta = activations[-1] - y
        nabla_b[-1] = delta
        nabla_w[-1] = numpy.dot(delta, activations[-2].transpose())
        for l in range(2, len(self.sizes)):
            slope = sigmoid(zs[-l]) * (1 - sigmoid(zs[-l]))
            delta = numpy.dot(self.weights[-l + 1].transpose(), delta) * slope
            nabla_b[-l] = delta
            nabla_w[-l] = numpy.dot(delta, activations[-l - 1].transpose())
        return nabla_b, nabla_w


class Matrix:
    def __init__(self, net, _cores):
        self.net = net
        self.about = "numpy %s" % numpy.__version__

    def load(self, pairs):
        self.pairs = [(w.T.copy(), b.copy()) for w, b in pairs]

    def store(self):
        return [(w.T, b) for w, b in self.pairs]

    def step(self, rows):
        rate = numpy.float32(self.net.eta / len(rows))
        a = [self.net.x[rows]]
        for w, b in self.pairs:
            a.append(sigmoid(a[-1] @ w + b))
        d = a[-1] - self.net.one_hot[rows]
        for l in range(len(self.pairs) - 1, -1, -1):
            w, b = self.pairs[l]
            below = (d @ w.T) * a[l] * (1 - a[l]) if l > 0 else None
            w -= rate * (a[l].T @ d)
            b -= rate * d.sum(0)
            d = below


def make(net, cores, how):
    return {"rows": Rows, "matrix": Matrix}[how](net, cores)


if __name__ == "__main__":
    numpy.random.seed(1)
    peer.main(make)
