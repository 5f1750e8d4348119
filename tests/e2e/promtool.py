"""Prometheus' promtool, out of Debian's package prometheus: got once, below build/. The package is not installed, which would
start a server."""
import glob
import os
import shutil
import subprocess
import tempfile

from harness import ROOT
from npm import alone

PLACE = os.path.join(ROOT, "build", "promtool")
DOWNLOAD = 90  # seconds
GIVEN_UP = PLACE + ".gave-up"  # one that failed is not tried again by every build


def find():
    """Its path, and None; or None, and why there is none."""
    path = shutil.which("promtool") or PLACE
    try:
        with alone(PLACE):
            if not os.path.exists(path):
                if os.path.exists(GIVEN_UP):
                    return None, "promtool could not be had; without %s it is tried again" % GIVEN_UP
                get()
    except (subprocess.SubprocessError, OSError) as error:
        said = getattr(error, "stderr", None) or b""
        return None, "promtool cannot be had: %s %s" % (error, said.decode("utf-8", "replace").strip()[-300:])
    return path, None


def get():
    """Whole under its name, or not at all."""
    new = tempfile.mkdtemp(prefix="promtool-", dir=os.path.dirname(PLACE))
    try:
        subprocess.run(["apt-get", "download", "-q", "prometheus"], cwd=new, check=True, capture_output=True,
                       timeout=DOWNLOAD)
        subprocess.run(["dpkg", "-x", *glob.glob(os.path.join(new, "*.deb")), os.path.join(new, "x")], check=True,
                       capture_output=True, timeout=DOWNLOAD)
        os.replace(os.path.join(new, "x", "usr", "bin", "promtool"), PLACE)
    except (subprocess.SubprocessError, OSError):
        open(GIVEN_UP, "w").close()
        raise
    finally:
        shutil.rmtree(new, ignore_errors=True)
