"""What peers written in Python share: peer.h's folder and commands, with numpy."""
import sys
import time

import numpy


class Net:
    def __init__(self, folder):
        with open(folder + "/net") as file:
            self.units = [int(word) for word in file.readline().split()]
            batch, rows, steps, eta = file.readline().split()
        self.batch, self.rows, self.steps, self.eta = int(batch), int(rows), int(steps), float(eta)
        self.x = numpy.memmap(folder + "/x", numpy.float32, "r").reshape(self.rows, self.units[0])
        self.y = numpy.fromfile(folder + "/y", numpy.uint32).astype(numpy.int64)
        self.one_hot = numpy.zeros((self.rows, self.units[-1]), numpy.float32)
        self.one_hot[numpy.arange(self.rows), self.y] = 1
        self.order = numpy.fromfile(folder + "/order", numpy.uint32).astype(numpy.int64)
        self.folder = folder

    def weights(self):
        """A pair a layer: W[out][in] and b[out]."""
        flat = numpy.fromfile(self.folder + "/weights", numpy.float32)
        pairs = []
        for into, out in zip(self.units, self.units[1:]):
            w, b, flat = flat[:into * out], flat[into * out:into * out + out], flat[into * out + out:]
            pairs.append((w.reshape(out, into), b))
        return pairs


def main(peer_class):
    """peer_class(net, cores) has about, load(pairs), store() -> pairs and step(rows); or, in step's
    place, epoch(rows), which trains them in batches."""
    net = Net(sys.argv[1])
    peer = peer_class(net, int(sys.argv[2]), *sys.argv[3:])
    peer.load(net.weights())
    print(peer.about, flush=True)
    taken = trained(net, peer)
    for line in sys.stdin:
        verb, *arguments = line.split()
        if verb == "check":
            peer.load(net.weights())
            for i in range(min(int(arguments[0]), net.steps)):
                peer.step(net.order[i * net.batch:(i + 1) * net.batch])
            with open(arguments[1], "wb") as file:
                for pair in peer.store():
                    for part in pair:
                        file.write(numpy.ascontiguousarray(part, numpy.float32).tobytes())
            print("ok", flush=True)
        else:
            began = time.perf_counter()
            rows = 0
            while True:
                rows += next(taken)
                took = time.perf_counter() - began
                if took >= float(arguments[0]):
                    break
            print(rows, "%.6f" % took, flush=True)


def trained(net, peer):
    """Trains for ever, a step or what the peer calls an epoch a turn; yields how many rows."""
    if hasattr(peer, "forever"):
        yield from peer.forever()
    while True:
        order = peer.shuffled() if hasattr(peer, "shuffled") else numpy.random.permutation(net.rows)
        for at in range(0, net.rows, net.batch):
            rows = order[at:at + net.batch]
            peer.step(rows)
            yield len(rows)
