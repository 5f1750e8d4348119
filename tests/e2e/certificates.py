"""Certificates for the tests, made with openssl: an authority, and what it vouches for."""
import os
import subprocess


class Authority:
    """Keeps its files, and those that it makes, in folder: NAME.pem and NAME.key."""

    def __init__(self, folder, name="ca"):
        self.folder, self.name = folder, name
        self.run("req", "-x509", *self.new(name), "-days", "30", "-subj", "/CN=" + name)

    def path(self, name):
        return os.path.join(self.folder, name)

    def new(self, name):
        return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                self.path(name + ".key"), "-out", self.path(name + ".pem"))

    def run(self, *words):
        subprocess.run(["openssl", *words], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.PIPE)

    def make(self, name, subject=None, use="serverAuth", days=30):
        """A certificate of this authority for localhost; days < 0: it has expired. The path without .pem."""
        self.run("req", *self.new(name), "-subj", subject or "/CN=" + name)
        os.rename(self.path(name + ".pem"), self.path(name + ".csr"))
        with open(self.path(name + ".ext"), "w") as file:
            file.write("subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=%s\n" % use)
        self.run("x509", "-req", "-in", self.path(name + ".csr"), "-CA", self.path(self.name + ".pem"), "-CAkey",
                 self.path(self.name + ".key"), "-CAcreateserial", "-out", self.path(name + ".pem"), "-days",
                 str(days), "-extfile", self.path(name + ".ext"))
        return self.path(name)
