"""Training by scikit-learn's MLPClassifier, whose loss for indicator targets is the same sum of
cross-entropies. It shuffles and cuts batches itself, in what it calls an iteration over the rows it
is given.     peer_sklearn.py FOLDER CORES"""
import time
import warnings

import numpy
import sklearn
import sklearn.exceptions
from sklearn.neural_network import MLPClassifier

import peer


class Sklearn:
    def __init__(self, net, _cores):
        self.net = net
        self.about = "scikit-learn %s" % sklearn.__version__
        self.model = MLPClassifier(
            tuple(net.units[1:-1]), activation="logistic", solver="sgd", alpha=0.0, max_iter=1,
            batch_size=net.batch, learning_rate="constant", learning_rate_init=net.eta, momentum=0.0,
            nesterovs_momentum=False, warm_start=True, n_iter_no_change=1000000, random_state=1)
        self.step(numpy.arange(net.batch))  # makes the weights that load sets

    def load(self, pairs):
        for i, (w, b) in enumerate(pairs):
            self.model.coefs_[i][...] = w.T
            self.model.intercepts_[i][...] = b

    def store(self):
        return [(w.T, b) for w, b in zip(self.model.coefs_, self.model.intercepts_)]

    def step(self, rows):
        self.model.fit(self.net.x[rows], self.net.one_hot[rows])

    def forever(self):
        """Iterations over so many whole batches that what they cost besides does not weigh."""
        rows, took = self.net.batch, 0.0
        while took < 0.3 and rows < self.net.rows:
            rows = min(2 * rows, self.net.rows)
            began = time.perf_counter()
            self.model.fit(self.net.x[:rows], self.net.one_hot[:rows])
            took = time.perf_counter() - began
        while True:
            self.model.fit(self.net.x[:rows], self.net.one_hot[:rows])
            yield rows


if __name__ == "__main__":
    warnings.simplefilter("ignore", sklearn.exceptions.ConvergenceWarning)
    numpy.random.seed(1)
    peer.main(Sklearn)
