"""onnxruntime, as npm's onnxruntime-node has it: installed once, below build/, for every build of the daemon."""
import json
import os
import shutil
import subprocess
import tempfile

import numpy

from harness import ROOT, WAIT

PACKAGE = "onnxruntime-node@1"
FOLDER = os.path.join(ROOT, "build", "node")
HERE = os.path.dirname(os.path.abspath(__file__))
INSTALL = 90  # seconds
GIVEN_UP = FOLDER + ".gave-up"  # an install that failed is not tried again by every build


def missing():
    """Why there is none, or None. Installs it when it can."""
    for command in ("node", "npm"):
        if shutil.which(command) is None:
            return command + " is not installed"
    try:
        if not os.path.isdir(FOLDER):
            if os.path.exists(GIVEN_UP):
                return "npm's %s could not be had; without %s it is tried again" % (PACKAGE, GIVEN_UP)
            install()
        subprocess.run(["node", "-e", "require('onnxruntime-node')"], env=environment(), check=True,
                       capture_output=True, timeout=WAIT)
    except (subprocess.SubprocessError, OSError) as error:
        said = getattr(error, "stderr", None) or b""
        return "npm's %s cannot be had: %s %s" % (PACKAGE, error, said.decode("utf-8", "replace").strip()[-300:])
    return None


def install():
    """Without its script, which fetches what is for graphics cards only. Whole under its name, or not at all."""
    os.makedirs(os.path.dirname(FOLDER), exist_ok=True)
    new = tempfile.mkdtemp(prefix="node-", dir=os.path.dirname(FOLDER))
    try:
        subprocess.run(["npm", "install", "--silent", "--no-save", "--ignore-scripts", "--prefix", new, PACKAGE],
                       cwd=new, check=True, capture_output=True, timeout=INSTALL)
        os.rename(new, FOLDER)
    except (subprocess.SubprocessError, OSError):
        open(GIVEN_UP, "w").close()
        raise
    finally:
        shutil.rmtree(new, ignore_errors=True)


def environment():
    return dict(os.environ, NODE_PATH=os.path.join(FOLDER, "node_modules"))


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
        done = subprocess.run(["node", os.path.join(HERE, "ort.js")], input=json.dumps(listed).encode(), env=environment(),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=4 * WAIT)
        if done.returncode != 0:
            raise AssertionError("onnxruntime: " + done.stdout.decode("utf-8", "replace"))
        return [numpy.fromfile(job["outputs"], "<f4") for job in listed]
