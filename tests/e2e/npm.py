"""Packages of npm's: each set installed once, below build/, for every build of the daemon."""
import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile

from harness import ROOT

INSTALL = 90  # seconds


class Packages:
    """folder: below build/. packages: with their versions."""

    def __init__(self, folder, *packages):
        self.packages = packages
        self.folder = os.path.join(ROOT, "build", folder)
        self.modules = os.path.join(self.folder, "node_modules")
        self.gave_up = self.folder + ".gave-up"  # an install that failed is not tried again by every build

    def missing(self):
        """Why they are not there, or None. Installs them when it can."""
        for command in ("node", "npm"):
            if shutil.which(command) is None:
                return command + " is not installed"
        what = "npm's " + " ".join(self.packages)
        with alone(self.folder):
            if os.path.isdir(self.folder):
                return None
            if os.path.exists(self.gave_up):
                return "%s could not be had; without %s it is tried again" % (what, self.gave_up)
            try:
                self.install()
            except (subprocess.SubprocessError, OSError) as error:
                return "%s cannot be had: %s" % (what, told(error))
        return None

    def install(self):
        """Without scripts, which fetch what is not needed here. Whole under its name, or not at all."""
        new = tempfile.mkdtemp(prefix="node-", dir=os.path.dirname(self.folder))
        try:
            subprocess.run(["npm", "install", "--silent", "--no-save", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund",
                            "--prefix", new, *self.packages],
                           cwd=new, check=True, capture_output=True, timeout=INSTALL)
            os.rename(new, self.folder)
        except (subprocess.SubprocessError, OSError):
            open(self.gave_up, "w").close()
            raise
        finally:
            shutil.rmtree(new, ignore_errors=True)

    def environment(self):
        return dict(os.environ, NODE_PATH=self.modules)


@contextlib.contextmanager
def alone(path):
    """No other test looks for this, or gets it, meanwhile."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def told(error):
    """The error, and the end of what the command said."""
    said = getattr(error, "stderr", None) or b""
    return ("%s %s" % (error, said.decode("utf-8", "replace").strip()[-300:])).strip()
