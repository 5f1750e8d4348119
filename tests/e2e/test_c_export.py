"""A model as C source: what compilers say of it, and that it answers with the daemon's bits."""
import os
import random
import re
import shutil
import struct
import subprocess
import tempfile
import unittest

from harness import ROOT, SLOW, Case, main

try:
    import numpy
except ImportError:
    numpy = None

STRICT = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wmissing-prototypes", "-Werror"]
BUILDS = [("gcc", "-O0"), ("gcc", "-O3"), ("gcc", "-O2", "-mfma"),
          ("clang", "-O0"), ("clang", "-O2"), ("clang", "-O2", "-mfma", "-ffp-contract=fast")]
NETS = {
    "3-linear": {"inputs": 3, "layers": [(1, "linear")], "cost": "mse", "normalize_targets": "standard"},
    "tanh.2": {"inputs": 17, "layers": [(33, "tanh"), (5, "tanh")], "cost": "mse", "normalize": "standard"},
    "sigmoid": {"inputs": 1, "layers": [(7, "sigmoid"), (1, "sigmoid")], "cost": "cross_entropy"},
    "int": {"inputs": 64, "layers": [(50, "relu"), (20, "tanh"), (19, "softmax")], "cost": "log_likelihood",
            "normalize": "unit", "labels": ["?\?/%d" % i for i in range(17)] + ["k\u00e4se\n\"", "\\1"]},
    "four": {"inputs": 9, "layers": [(31, "linear"), (65, "relu"), (3, "sigmoid"), (2, "linear")], "cost": "mse",
             "normalize": "minmax", "normalize_targets": "minmax"},
    "long": {"inputs": 1601, "layers": [(3, "relu"), (2, "softmax")], "cost": "log_likelihood"},
}
MAIN = """
#include <stdio.h>
#include <stdlib.h>
%(includes)s

static const struct {
    size_t in, out;
    int (*predict)(const float *in, float *out);
} models[] = { %(models)s };

int main(int argc, char **argv)
{
    static float in[2000], out[2000];
    const int i = argc == 2 ? atoi(argv[1]) : 0;

    while (fread(in, sizeof *in, models[i].in, stdin) == models[i].in) {
        int best = models[i].predict(in, out);

        fwrite(out, sizeof *out, models[i].out, stdout);
        fwrite(&best, sizeof best, 1, stdout);
    }
    return 0;
}
"""
SPECIAL = [0.0, -0.0, 1e-45, -1e-40, 1.1e-38, 8.6e-19, 8.7e-19, 1e-6, 0.3, -0.625, 88.8, -87.4, 1e4, -1e5]


def identifier(model):
    name = model.replace(".", "_").replace("-", "_")
    return "m" + name if name[0].isdigit() else name


def rows_of(width, n):
    """Plain ones, and every third with values of all magnitudes."""
    rng = random.Random(width)
    return [[rng.choice(SPECIAL) if i % 3 == 2 and rng.random() < 0.5 else rng.gauss(0, 3) for _ in range(width)]
            for i in range(n)]


def fewer_bits(weights, precision):
    """The float32 weights that a precision leaves of a layer's."""
    w = numpy.array(weights, numpy.float32)
    if precision == "bf16":
        bits = w.view(numpy.uint32)
        return ((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000).astype(numpy.uint32).view(numpy.float32)
    scale = abs(w).max(axis=1, keepdims=True) / numpy.float32(127)
    return numpy.rint(w / scale) * scale


def run(*command, **more):
    return subprocess.run(command, check=True, timeout=60 * SLOW, stdout=subprocess.PIPE, **more).stdout


class CExport(Case):
    def make(self, name):
        spec = dict(NETS[name], bias_init="normal")
        spec["layers"] = [{"units": units, "activation": act} for units, act in spec["layers"]]
        self.api.delete("/v1/models/" + name)  # an earlier test's
        at = self.model(spec, name=name, seed=len(name))
        if spec.get("normalize", "unit") != "unit" or "normalize_targets" in spec:
            width = spec["layers"][-1]["units"]
            self.train(at, inputs=rows_of(spec["inputs"], 9)[:2] * 4, epochs=1, batch_size=5,
                       targets=[[i + j / 3 for j in range(width)] for i in range(8)],
                       optimizer={"name": "sgd", "learning_rate": 1e-12})
        return at, spec

    def source(self, at, folder, name, options=""):
        """The path of its .c, beside its .h."""
        for kind in ("h", "c"):
            reply = self.api.get(at + "/export?format=" + kind + (options if kind == "c" else ""))
            self.assertEqual(reply.status, 200, reply)
            path = os.path.join(folder, name + "." + kind)
            with open(path, "wb") as file:
                file.write(reply.body)
        return path

    def ask(self, at, rows):
        """Raw rows, and what the daemon makes of them."""
        body = b"".join(struct.pack("<%df" % len(row), *row) for row in rows)
        reply = self.api.post(at + "/predict", body, Content_Type="application/octet-stream",
                              Accept="application/octet-stream")
        self.assertEqual(reply.status, 200, reply)
        return body, reply.body, len(rows)

    def hold(self, names, sources, asked, folder, builds):
        """All in one program, which has to answer as the daemon did."""
        sources = sources + [os.path.join(folder, "main.c")]
        program = os.path.join(folder, "program")
        with open(sources[-1], "w") as file:
            file.write(MAIN % {
                "includes": "\n".join('#include "%s.h"' % name for name in names),
                "models": ", ".join("{ N_inputs, N_outputs, N_predict }".replace("N", identifier(name))
                                    for name in names)})
        for build in filter(self.may, builds):
            run(*build, *STRICT, "-o", program, *sources)
            for i, name in enumerate(names):
                body, want, n = asked[i]
                self.compare(run(program, str(i), input=body), want, n, "%s by %s" % (name, " ".join(build)))

    def test_the_daemons_bits(self):
        with tempfile.TemporaryDirectory() as folder:
            sources, asked = [], []
            for name in NETS:
                at, spec = self.make(name)
                sources.append(self.source(at, folder, name))
                asked.append(self.ask(at, rows_of(spec["inputs"], 60 if name == "long" else 2000)))
            self.hold(list(NETS), sources, asked, folder, BUILDS)

    def test_the_lines_of_readme(self):
        """Its program, of the demo's digits, says what README says it does."""
        with open(os.path.join(ROOT, "README.md")) as file:
            lines = re.search(r"```sh\n(curl -s \S+format=c' > digits\.c\n.*?)```", file.read(), re.S)[1]
        self.digits()
        at = self.model({"inputs": 64, "layers": [{"units": 40, "activation": "sigmoid"},
                                                  {"units": 10, "activation": "softmax"}],
                         "cost": "log_likelihood", "normalize": "standard"}, name="digits", seed=7)
        self.train(at, dataset="digits-train", epochs=5, batch_size=5, l2=2.0, seed=1,
                   optimizer={"name": "sgd", "learning_rate": 0.1})
        with tempfile.TemporaryDirectory() as folder:
            os.makedirs(os.path.join(folder, "tests"))
            os.symlink(os.path.join(ROOT, "tests", "data"), os.path.join(folder, "tests", "data"))
            said = run("sh", "-ec", lines.replace("localhost:8740", "127.0.0.1:%d" % self.daemon.port), cwd=folder)
        self.assertEqual(said.decode().split(), [lines.split("#")[-1].strip()])

    @unittest.skipUnless(numpy, "python3-numpy is not installed")
    def test_fewer_bits(self):
        """A file of fewer bits is to the bit the model whose weights have been made such."""
        names, tags = ["int", "four", "tanh.2"], set()
        for precision in ("bf16", "int8"):
            with tempfile.TemporaryDirectory() as folder:
                sources, asked = [], []
                for name in names:
                    at, spec = self.make(name)
                    sources.append(self.source(at, folder, name, "&precision=" + precision))
                    model, error = self.ok(self.api.get(at + "/export")), 0
                    for layer in model["layers"]:
                        fewer = fewer_bits(layer["weights"], precision)
                        error = max(error, abs(fewer - numpy.array(layer["weights"], numpy.float32)).max())
                        layer["weights"] = fewer.astype(float).tolist()
                    self.api.delete(at + "-twin")
                    self.ok(self.api.put(at + "-twin", model), 201)
                    asked.append(self.ask(at + "-twin", rows_of(spec["inputs"], 300)))
                    with open(sources[-1]) as file:
                        said = re.search(r"differ from the model's by (\S+) at most", file.read())[1]
                    self.assertEqual(numpy.float32(said), error)
                self.hold(names, sources, asked, folder, [("gcc", "-O1"), ("clang", "-O2", "-mfma")])
            reply = self.api.get(at + "/export?format=c&precision=" + precision)
            self.assertIn('filename="tanh.2-v2-%s.c"' % precision, reply.headers["Content-Disposition"])
            tags.add(reply.headers["ETag"])
        tags.add(self.api.get(at + "/export?format=c").headers["ETag"])
        tags.add(self.api.get(at + "/export?format=c&precision=f32").headers["ETag"])
        self.assertEqual(len(tags), 3)

    @unittest.skipUnless(numpy, "python3-numpy is not installed")
    def test_what_a_data_set_shows(self):
        """Its rows' outputs, by the model and by the one whose weights have been made such."""
        for name, n in (("int", 700), ("sigmoid", 12000)):
            at, spec = self.make(name)
            rows = numpy.array(rows_of(spec["inputs"], n), numpy.float32)
            if name == "sigmoid":
                rows = (rows + 1).clip(-3, 3)  # near 0.5
            self.api.delete("/v1/datasets/rows")
            self.ok(self.api.put("/v1/datasets/rows/features?shape=%d,%d" % rows.shape, rows.tobytes(),
                                 "application/octet-stream"), 201)
            digest = self.ok(self.api.get("/v1/datasets/rows"))["digest"]
            for precision in ("bf16", "int8"):
                model = self.ok(self.api.get(at + "/export"))
                for layer in model["layers"]:
                    layer["weights"] = fewer_bits(layer["weights"], precision).astype(float).tolist()
                self.api.delete(at + "-twin")
                self.ok(self.api.put(at + "-twin", model), 201)
                used = rows[:10000]
                a, b = (numpy.frombuffer(self.ask(model_at, used.tolist())[1], numpy.float32)
                        .reshape(len(used), -1) for model_at in (at, at + "-twin"))
                answers = [x.argmax(axis=1) if x.shape[1] > 1 else x[:, 0] >= 0.5 for x in (a, b)]
                by = numpy.abs(b - a)
                reply = self.api.get(at + "/export?format=c&precision=%s&calibrate=rows" % precision)
                said = " ".join(reply.body.decode().split("*/")[0].split()).replace(" * ", " ")
                found = re.search(r"On the first (\d+) rows of data set rows, whose digest is (\w+), outputs differ "
                                  r"from float32's by (\S+) at most and (\S+) on average, and (\d+) answers", said)
                self.assertTrue(found, said)
                self.assertEqual((int(found[1]), found[2]), (len(used), digest))
                self.assertEqual(numpy.float32(found[3]), by.max())
                self.assertEqual(found[4], "%.3g" % by.astype(float).mean())
                self.assertEqual(int(found[5]), (answers[0] != answers[1]).sum())
                plain = self.api.get(at + "/export?format=c&precision=" + precision)
                self.assertNotEqual(reply.headers["ETag"], plain.headers["ETag"])
                self.assertEqual(reply.body.split(b"*/", 1)[1], plain.body.split(b"*/", 1)[1])
                self.assertEqual(self.api.get(at + "/export?format=c&calibrate=rows&precision=" + precision,
                                              If_None_Match=reply.headers["ETag"]).status, 304)
        self.ok(self.api.delete("/v1/datasets/rows"), 204)  # no reference is left

    def test_what_cannot_be_measured(self):
        at, spec = self.make("sigmoid")
        ask = at + "/export?format=c&precision=int8&calibrate="
        self.problem(self.api.get(ask + "none"), 404, "not-found", "calibrate", "none")
        self.ok(self.api.put("/v1/datasets/wide/features?shape=2,3", bytes(24),
                             "application/octet-stream"), 201)
        self.problem(self.api.get(ask + "wide"), 422, "field", "calibrate", "3 features", "1 inputs")
        self.problem(self.api.get(at + "/export?format=c&calibrate=wide"), 422, "field", "calibrate", "bf16 or int8")
        self.problem(self.api.get(at + "/export?format=npz&calibrate=wide"), 422, "field", "calibrate", "format npz")
        self.ok(self.api.delete("/v1/datasets/wide"), 204)

    def test_what_cannot_be_asked(self):
        at = self.make("sigmoid")[0] + "/export?format="
        self.problem(self.api.get(at + "c&precision=int4"), 422, "field", "precision", "f32, bf16 or int8", "'int4'")
        self.problem(self.api.get(at + "h&precision=int8"), 422, "field", "precision", "format h")
        self.problem(self.api.get(at + "json&precision=bf16"), 422, "field", "precision", "format json")

    def may(self, build):
        with open("/proc/cpuinfo") as file:
            return shutil.which(build[0]) is not None and ("-mfma" not in build or " fma " in file.read())

    def compare(self, got, want, n, what):
        width = len(want) // n
        self.assertEqual(len(got), n * (width + 4), what)
        for i in range(n):
            row = got[i * (width + 4):(i + 1) * (width + 4)]
            self.assertEqual(row[:width], want[i * width:(i + 1) * width], "row %d of %s" % (i, what))
            out = struct.unpack("<%df" % (width // 4), row[:width])
            best = out.index(max(out)) if len(out) > 1 else int(out[0] >= 0.5)
            self.assertEqual(struct.unpack("<i", row[width:])[0], best, what)

    def test_labels(self):
        with tempfile.TemporaryDirectory() as folder:
            at, spec = self.make("int")
            source = self.source(at, folder, "model")
            with open(os.path.join(folder, "main.c"), "w") as file:
                file.write('#include <stdio.h>\n#include "model.h"\nint main(void)\n{\n    int i;\n\n'
                           '    for (i = 0; i < int_outputs; i++) {\n        printf("%s%c", int_labels[i], 0);\n    }\n'
                           "    return 0;\n}\n")
            program = os.path.join(folder, "program")
            run("gcc", "-trigraphs", *STRICT, "-o", program, source, os.path.join(folder, "main.c"))
            self.assertEqual(run(program).decode().split("\0")[:-1], spec["labels"])

    @unittest.skipUnless(shutil.which("arm-none-eabi-gcc"), "gcc-arm-none-eabi is not installed")
    def test_microcontrollers(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("int", "four"):
                source = self.source(self.make(name)[0], folder, name)
                for cpu in (("-mcpu=cortex-m0",), ("-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard")):
                    run("arm-none-eabi-gcc", "-c", "-Os", "-mthumb", "-ffreestanding", *cpu, *STRICT,
                        "-o", os.path.join(folder, "model.o"), source)


if __name__ == "__main__":
    main()
