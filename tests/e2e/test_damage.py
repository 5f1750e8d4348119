"""Files that a daemon finds at its start: of a later format they are left alone and named, and what is
none of ours is set aside and named; all else is served."""
import glob
import hashlib
import os
import re
import signal
import struct
import zlib

from harness import XOR, XOR_ROWS, Restarting, main


def version_of(path, change):
    """Changes the header of a version's file, and makes both of its sums right."""
    with open(path, "rb") as file:
        data = file.read()[:-32]
    (n,) = struct.unpack("<Q", data[:8])
    header = change(data[8:8 + n])
    header = re.sub(rb'("header_crc32": ")[0-9a-f]{8}', rb"\g<1>00000000", header, count=1)
    bare = struct.pack("<Q", len(header)) + header
    header = header.replace(b"00000000", b"%08x" % zlib.crc32(bare), 1)
    data = bare[:8] + header + data[8 + n:]
    with open(path, "wb") as file:
        file.write(data + hashlib.sha256(data).digest())


def text_of(path, change):
    """Changes a text that ends with the line of its sum."""
    with open(path, "rb") as file:
        text = change(file.read()[:-15])
    with open(path, "wb") as file:
        file.write(text + b"crc32 %08x\n" % zlib.crc32(text))


def later(name):
    return lambda text: re.sub(rb'("%s": "?)[0-9]+' % name, rb"\g<1>77", text, count=1)


class Damage(Restarting):
    def setUp(self):
        super().setUp()
        self.ok(self.api.put("/v1/models/other", XOR), 201)
        self.ok(self.api.post("/v1/models/other/learn", XOR_ROWS))
        self.ok(self.api.put("/v1/models/m", XOR), 201)
        for _ in range(3):
            self.ended(self.ok(self.api.post("/v1/models/m/train", dict(XOR_ROWS, epochs=1)), 202))
        for name in ("d", "other"):
            self.ok(self.api.put("/v1/datasets/" + name, "1,2,a\n3,4,b\n", "text/csv"), 201)

    def path(self, pattern):
        (found,) = glob.glob(os.path.join(self.state, pattern))
        return found

    def between(self, change):
        """Ends the daemon, changes what it left, starts it again; what /v1/server says of files."""
        self.stop(signal.SIGTERM)
        change()
        self.start()
        server = self.ok(self.api.get("/v1/server"))
        for other in ("/v1/models/other", "/v1/datasets/other"):
            self.ok(self.api.get(other))
        self.assertEqual(self.ok(self.api.get("/v1/models/other"))["version"], 2)
        return server

    def left_alone(self, path, change, number="77", named=None):
        """A later format: the file stays as it is, and its number is in the log."""
        seen = {}

        def keep():
            change(path)
            with open(path, "rb") as file:
                seen["bytes"] = file.read()

        server = self.between(keep)
        (newer,) = server["newer"]
        self.assertEqual(server["corrupt"], [])
        self.assertEqual(newer, named or path)
        self.daemon.wait_line(r"is not read, and left as it is: .*\b%s\b" % number)
        with open(path, "rb") as file:
            self.assertEqual(file.read(), seen["bytes"])

    def test_a_version_of_a_later_format(self):
        self.left_alone(self.path("models/m@*/4.safetensors"), lambda path: version_of(path, later(b"format_version")))
        model = self.ok(self.api.get("/v1/models/m"))
        self.assertEqual(model["version"], 3)
        # its number is not given again, so that the later sigmad finds its own version there
        self.ended(self.ok(self.api.post("/v1/models/m/train", dict(XOR_ROWS, epochs=1)), 202))
        self.assertEqual(self.ok(self.api.get("/v1/models/m"))["version"], 5)

    def test_a_learn_log_of_a_later_format(self):
        self.ok(self.api.post("/v1/models/m/learn", XOR_ROWS))
        self.ok(self.api.post("/v1/models/m/learn", XOR_ROWS))
        log = self.path("models/m@*/learn-4-5")

        def change(path):
            """The second entry is of format 9; the first is as it was."""
            with open(path, "rb") as file:
                data = bytearray(file.read())
            at = len(data) // 2
            self.assertEqual(data[at:at + 4], b"SGL1")
            data[at + 3:at + 4] = b"9"
            data[at + 12:at + 16] = struct.pack("<I", zlib.crc32(bytes(data[at:at + 12])))
            with open(path, "wb") as file:
                file.write(data)

        self.left_alone(log, change, "9", named=os.path.dirname(log))
        self.problem(self.api.get("/v1/models/m"), 404, "not-found")

    def test_a_dataset_of_a_later_format(self):
        path = self.path("datasets/d@*/dataset.json")
        self.left_alone(path, lambda path: text_of(path, later(b"format")), named=os.path.dirname(path))
        self.problem(self.api.get("/v1/datasets/d"), 404, "not-found")

    def test_a_job_of_a_later_format(self):
        path = self.path("jobs/2/job.json")
        self.left_alone(path, lambda path: text_of(path, later(b"format")), named=os.path.dirname(path))
        self.problem(self.api.get("/v1/jobs/2"), 404, "not-found")
        self.ok(self.api.get("/v1/jobs/1"))
        job = self.ok(self.api.post("/v1/models/m/train", dict(XOR_ROWS, epochs=1)), 202)
        self.assertEqual(job["id"], "4")

    def set_aside(self, path, change, named=None):
        """Not ours: renamed, named, and at the next start there is nothing to say of it."""
        named = named or path
        server = self.between(lambda: change(path))
        self.assertEqual(server["newer"], [])
        self.assertEqual(server["corrupt"], [named + ".corrupt"])
        self.assertTrue(os.path.exists(named + ".corrupt"))
        self.assertFalse(os.path.exists(named))
        self.daemon.wait_line(r"%s cannot be read and is set aside: " % re.escape(named))
        server = self.between(lambda: None)
        self.assertEqual((server["corrupt"], server["newer"]), ([], []))

    @staticmethod
    def foreign(path):
        with open(path, "wb") as file:
            file.write(b"\x89PNG\r\n\x1a\n" + b"\0" * 5000)

    @staticmethod
    def emptied(path):
        open(path, "wb").close()

    @staticmethod
    def a_folder(path):
        os.unlink(path)
        os.mkdir(path)

    def test_what_is_no_version(self):
        for change in (self.foreign, self.emptied, self.a_folder):
            with self.subTest(change=change.__name__):
                newest = self.ok(self.api.get("/v1/models/m"))["version"]
                path = self.path("models/m@*/%d.safetensors" % newest)
                self.set_aside(path, change)
                self.assertEqual(self.ok(self.api.get("/v1/models/m"))["version"], newest - 1)

    def test_what_is_no_job_and_no_dataset(self):
        for i, change in enumerate((self.foreign, self.emptied, self.a_folder)):
            with self.subTest(change=change.__name__):
                path = self.path("jobs/%d/job.json" % (i + 1))
                self.set_aside(path, change, named=os.path.dirname(path))
                self.ok(self.api.put("/v1/datasets/d%d" % i, "1,2,a\n", "text/csv"), 201)
                path = self.path("datasets/d%d@*/dataset.json" % i)
                self.set_aside(path, change, named=os.path.dirname(path))
        self.assertEqual(self.ok(self.api.get("/v1/jobs"))["jobs"], [])

    def test_strangers(self):
        """What has no name of ours: set aside among the models, where each folder is one; else let be."""
        aside = ["models/notes.txt", "models/m.bak", "models/4.safetensors"]
        let_be = ["README", "jobs/x", "datasets/.hidden"]

        def change():
            for name in aside + let_be:
                self.foreign(os.path.join(self.state, name))

        server = self.between(change)
        self.assertEqual(sorted(server["corrupt"]), sorted(os.path.join(self.state, n + ".corrupt") for n in aside))
        self.assertEqual(server["newer"], [])
        for name in [name + ".corrupt" for name in aside] + let_be:
            self.assertTrue(os.path.exists(os.path.join(self.state, name)), name)


if __name__ == "__main__":
    main()
