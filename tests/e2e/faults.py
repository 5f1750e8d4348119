"""A daemon whose disk and memory fail when a test says so: see tests/fault/fault.c."""
import mmap
import os
import shutil
import struct
import subprocess
import tempfile
import unittest

import harness

NOTHING, DIE, DIE_TORN, EIO, ENOSPC, EINTR, SHORT = range(7)
NONE, FILES, MEMORY, ALL_MEMORY = range(4)
NAMES = {DIE: "killed", DIE_TORN: "killed amid a write", EIO: "EIO", ENOSPC: "ENOSPC",
         EINTR: "EINTR", SHORT: "a short write"}
FIELDS = ("scope", "action", "at", "sticky", "calls", "hits", "main_calls", "live")


def sanitized():
    """A sanitizer's runtime wants to be the first library, and takes malloc for itself."""
    with open(harness.SIGMAD, "rb") as file:
        data = file.read()
    return b"__asan_init" in data or b"__tsan_init" in data


class Page:
    def __init__(self, path):
        with open(path, "wb") as file:
            file.write(b"\0" * 4096)
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 4096)

    def __getattr__(self, name):
        if name not in FIELDS:
            raise AttributeError(name)
        return struct.unpack_from("=i", self.map, 4 * FIELDS.index(name))[0]

    def set(self, **values):
        for name, value in values.items():
            struct.pack_into("=i", self.map, 4 * FIELDS.index(name), value)

    def arm(self, scope, action, at, sticky=0):
        self.set(scope=NONE)
        self.set(action=action, at=at, sticky=sticky, calls=0, hits=0)
        self.set(scope=scope)

    def disarm(self):
        self.set(scope=NONE)
        return self.hits


class Faulty(harness.Case):
    """Tests whose daemon has the library before it; a folder that outlives it."""

    @classmethod
    def setUpClass(cls):
        if sanitized():
            raise unittest.SkipTest("a sanitizer is in the way of LD_PRELOAD")
        cls.work = tempfile.mkdtemp(prefix="sigmad-test-")
        cls.folder = os.path.join(cls.work, "state")
        cls.library = os.path.join(cls.work, "fault.so")
        source = os.path.join(harness.ROOT, "tests", "fault", "fault.c")
        subprocess.run([*os.environ.get("CC", "gcc").split(), "-shared", "-fPIC", "-O1", "-Wall",
                        "-Wextra", "-Werror", "-o", cls.library, source, "-ldl"], check=True)
        cls.page = Page(os.path.join(cls.work, "page"))
        cls.begin()

    @classmethod
    def begin(cls):
        cls.page.disarm()
        cls.daemon = harness.Daemon(*cls.flags, state=cls.folder, env=cls.environment())

    @classmethod
    def environment(cls):
        return {"LD_PRELOAD": cls.library, "FAULT_ROOT": cls.folder,
                "FAULT_PAGE": os.path.join(cls.work, "page")}

    @classmethod
    def tearDownClass(cls):
        try:
            super().tearDownClass()
        finally:
            shutil.rmtree(cls.work, ignore_errors=True)

    def restart(self, how=9):
        cls = type(self)
        cls.page.disarm()
        code = cls.daemon.end(how)
        self.assertIn(code, (-how, 0), cls.daemon.said())
        self.api.close()
        cls.begin()
        self.api = cls.daemon.client()
        self.heard = 0

    def start_that_meets(self, action, n):
        """A start whose nth call on a file meets that, until it listens or ends, and then the class's daemon: how often
        it was met."""
        cls = type(self)
        self.page.arm(FILES, action, n)
        child = subprocess.Popen([harness.SIGMAD, "--listen", "127.0.0.1:0", "--state", self.folder],
                                 stderr=subprocess.PIPE, env=dict(os.environ, **self.environment()))
        said = child.stderr.readline()
        while said and b"listening" not in said:
            said = child.stderr.readline()
        child.kill()
        child.wait()
        child.stderr.close()
        hits = self.page.disarm()
        cls.begin()
        self.api.close()
        self.api = self.daemon.client()
        return hits

    def attempt(self, ask):
        """The reply; None when the connection ended without one."""
        try:
            return ask()
        except OSError:
            pass
        except harness.http.client.HTTPException:
            pass
        self.api.close()
        self.api = self.daemon.client()
        return None
