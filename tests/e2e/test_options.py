"""The settings: --help is made of the table in server/options_table.c, and README and the manual say the same."""
import os
import re
import subprocess
import unittest

from harness import ROOT, SIGMAD, WAIT, main


def run(*args):
    done = subprocess.run([SIGMAD, *args], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=WAIT)
    return done.returncode, done.stdout, done.stderr


def table():
    """Of each setting (flag, what its value is called or "", default, variable), in the table's order."""
    code, out, err = run("--help")
    assert (code, err) == (0, ""), (code, err)
    return [(flag, arg, default, variable) for flag, arg, default, variable in re.findall(
        r"^  (--[a-z-]+) ?(.*)\n        .*?(?: \[(.*)\])?; (SIGMAD_[A-Z_]+)$", out, re.M)]


class Options(unittest.TestCase):
    def test_help_shows_every_setting(self):
        rows = table()
        out = run("--help")[1]
        self.assertGreater(len(rows), 25)
        self.assertEqual([row[0] for row in rows] + ["--version", "--help"],
                         re.findall(r"^  (--[a-z-]+)", out, re.M))
        for flag, _, _, variable in rows:
            self.assertEqual(variable, "SIGMAD_" + flag[2:].replace("-", "_").upper())

    def test_commands_do_what_flags_do(self):
        self.assertEqual(run("help"), run("--help"))
        self.assertEqual(run("version"), run("--version"))

    def test_readme_has_the_same_rows(self):
        with open(os.path.join(ROOT, "README.md")) as file:
            readme = file.read().replace("\\|", "!")
        rows = re.findall(r"^\| `(--[a-z-]+) ?(.*?)` \| `(SIGMAD_[A-Z_]+)` \| (.*?) \|", readme, re.M)
        self.assertEqual([(flag, arg.replace("!", "|"), default.replace("`", ""), variable)
                          for flag, arg, variable, default in rows], table())

    def test_the_manual_has_the_same_rows(self):
        with open(os.path.join(ROOT, "systemd", "sigmad.8")) as file:
            options = re.search(r"\n\.Sh OPTIONS\n(.*?)\n\.Sh ", file.read(), re.S)[1]
        rows = re.findall(r"^\.It Fl Fl ([a-z-]+)(?: Ar (.*))?\n(?:(?!\.It ).*\n)+?Default: ((?:(?!\.It ).*\n)+)", options, re.M)
        self.assertEqual([("--" + name, arg, " ".join(default.replace("\\(ti", "~").split())) for name, arg, default in rows],
                         [(flag, arg, default + ".") for flag, arg, default, _ in table()])
        self.assertEqual(re.findall(r"^\.It Fl Fl ([a-z-]+)", options, re.M)[-2:], ["version", "help"])


if __name__ == "__main__":
    main()
