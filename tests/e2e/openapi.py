"""server/openapi.json, and whether what comes from a daemon is what it says."""
import json
import os
import re
import urllib.parse

import jsonschema

from harness import ROOT

PATH = os.path.join(ROOT, "server", "openapi.json")
METHODS = ("get", "put", "post", "patch", "delete")
# What any answer may have is not said of each: info.description says it.
OF_ANY = {"date", "content-type", "content-length", "content-encoding", "transfer-encoding", "connection", "vary", "x-request-id",
          "x-content-type-options"}


class Operation:
    """One method of one path, with what its $refs stand for."""

    def __init__(self, contract, path, method, entry):
        self.contract, self.path, self.method, self.entry = contract, path, method.upper(), entry
        self.id = entry["operationId"]
        self.parameters = [contract.resolved(p) for p in entry.get("parameters", [])]
        self.responses = {int(status): contract.resolved(r) for status, r in entry["responses"].items()}
        self.body = entry.get("requestBody", {})
        self.types = self.body.get("content", {})

    def __repr__(self):
        return "%s %s" % (self.method, self.path)

    def examples(self):
        """(content type, name, value) of each of its bodies; (None, None, None) where it needs none."""
        found = [(kind, name, self.contract.resolved(example)["value"]) for kind, media in self.types.items()
                 for name, example in media.get("examples", {}).items()]
        return found + ([] if self.body.get("required") else [(None, None, None)])

    def takes(self, where):
        return [p for p in self.parameters if p["in"] == where]

    def at(self, params, query=None):
        """Its path, with those parameters."""
        path = re.sub(r"\{(\w+)\}", lambda m: urllib.parse.quote(str(params[m[1]]), safe=""), self.path)
        return path + ("?" + urllib.parse.urlencode(query) if query else "")


class Contract:
    """The document, and what of it has been seen: (operationId, status, content type)."""

    def __init__(self):
        with open(PATH) as file:
            self.document = json.load(file)
        self.resolver = jsonschema.RefResolver("", self.document)
        self.validators = {}
        self.operations = [Operation(self, path, method, entry[method]) for path, entry in self.document["paths"].items()
                           for method in METHODS if method in entry]
        self.seen = set()

    def __getitem__(self, operation_id):
        return next(operation for operation in self.operations if operation.id == operation_id)

    def operation(self, method, path):
        """The one that such a request is for, or None."""
        fit = [o for o in self.operations if o.method == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", o.path), path)]
        return fit[0] if fit else None

    def resolved(self, thing):
        while "$ref" in thing:
            thing = self.resolver.resolve(thing["$ref"])[1]
        return thing

    def methods(self, path):
        return {method.upper() for method in METHODS if method in self.document["paths"][path]}

    def wrong(self, schema, value):
        """What the schema has against the value, or None."""
        validator = self.validators.get(id(schema))
        if validator is None:
            validator = jsonschema.Draft202012Validator(schema, resolver=self.resolver)
            self.validators[id(schema)] = validator
        error = jsonschema.exceptions.best_match(validator.iter_errors(value))
        return error and "%s: %s" % (error.json_path, error.message[:500])

    def valid(self, schema, value):
        return self.wrong(schema, value) is None

    def schema(self, name):
        return self.document["components"]["schemas"][name]

    def check(self, operation, reply, sent=""):
        """Raises AssertionError unless the reply is one that the operation may give."""
        def claim(holds, what):
            if not holds:
                raise AssertionError("%r, sent %.1000r: %s; came %r" % (operation, sent, what, reply))

        claim(reply.status in operation.responses, "its %d is not described" % reply.status)
        answer = operation.responses[reply.status]
        said = {name.lower(): self.resolved(header) for name, header in answer.get("headers", {}).items()}
        for name, value in reply.headers.items():
            claim(name.lower() in said or name.lower() in OF_ANY, "its header %s is not described" % name)
            if name.lower() in said:
                wrong = self.wrong(said[name.lower()]["schema"], value)
                claim(wrong is None, "its header %s: %s" % (name, wrong))
        kind = (reply.headers["Content-Type"] or "").split(";")[0] or None
        content = answer.get("content", {})
        if reply.status == 431:
            kind = "text/html"  # libmicrohttpd does not say so
        claim(kind in content if kind else not content and not reply.body, "its type %s is not described" % kind)
        if kind and kind.endswith("json"):
            wrong = self.wrong(content[kind]["schema"], reply.json)
            claim(wrong is None, "the schema: %s" % wrong)
            if kind == "application/problem+json":
                claim(reply.json["status"] == reply.status, "its problem has another status")
        self.seen.add((operation.id, reply.status, kind))


def settled(case, daemon):
    """Waits until nothing is left to be removed, which nobody is told of. (The thread sanitizer does not see libuv close a
    descriptor at the end, and takes its number's next use elsewhere for a race.)"""
    case.until(lambda: os.listdir(os.path.join(daemon.state, "tmp")), lambda names: not names)


def refused(reply):
    """Raises AssertionError unless it is a problem of a path, or a method, that is not there."""
    problem = reply.json
    assert reply.status == problem["status"] and reply.status in (404, 405), reply
    assert problem["type"] == "urn:sigmad:problem:" + {404: "not-found", 405: "method"}[reply.status], reply
