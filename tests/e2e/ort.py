"""onnxruntime, as npm's onnxruntime-node has it."""
import json
import os
import subprocess
import tempfile

import numpy

import npm
from harness import WAIT

PACKAGES = npm.Packages("node", "onnxruntime-node@1")
HERE = os.path.dirname(os.path.abspath(__file__))


def missing():
    """Why there is none, or None. Installs it when it can."""
    why = PACKAGES.missing()
    if why is None:
        try:
            subprocess.run(["node", "-e", "require('onnxruntime-node')"], env=PACKAGES.environment(), check=True,
                           capture_output=True, timeout=WAIT)
        except (subprocess.SubprocessError, OSError) as error:
            why = "npm's onnxruntime-node does not work: " + npm.told(error)
    return why


def run(jobs):
    """The outputs, flat, of each (bytes of an ONNX file, rows as float32 numpy array)."""
    with tempfile.TemporaryDirectory(prefix="sigmad-test-") as folder:
        listed = []
        for i, (model, rows) in enumerate(jobs):
            paths = {name: os.path.join(folder, "%d.%s" % (i, name)) for name in ("model", "inputs", "outputs")}
            with open(paths["model"], "wb") as file:
                file.write(model)
            rows.astype("<f4").tofile(paths["inputs"])
            listed.append(dict(paths, width=rows.shape[1]))
        done = subprocess.run(["node", os.path.join(HERE, "ort.js")], input=json.dumps(listed).encode(), env=PACKAGES.environment(),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=4 * WAIT)
        if done.returncode != 0:
            raise AssertionError("onnxruntime: " + done.stdout.decode("utf-8", "replace"))
        return [numpy.fromfile(job["outputs"], "<f4") for job in listed]
