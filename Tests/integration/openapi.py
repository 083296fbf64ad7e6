"""docs/openapi.yaml as tests read it: every operation with its role and a body that fits."""

import pathlib

import yaml

DOCUMENT = yaml.safe_load((pathlib.Path(__file__).resolve().parent.parent.parent / "docs/openapi.yaml").read_text())


class Operation:
    def __init__(self, method, path, details):
        self.method, self.path, self.details = method.upper(), path, details
        self.role = details["x-required-role"]
        self.tokens = details.get("x-tokens", True)

    def __str__(self):
        return f"{self.method} {self.path}"

    @property
    def kind(self):
        parts = self.path.split("/")
        return parts[2] if parts[1] == "v1" else None

    def url(self):
        """A path that names nothing that exists: what is allowed ends as 404 or 400 and changes nothing."""
        return self.path.replace("{id}", "999999").replace("{number}", "999999").replace("{name}", "no-such-thing")

    @property
    def body(self):
        """`{}` where a body is expected: it is refused field by field, after everything that this is about."""
        return {} if "requestBody" in self.details else None


OPERATIONS = [
    Operation(method, path, details)
    for path, item in DOCUMENT["paths"].items()
    for method, details in item.items()
    if method in ("get", "post", "put", "delete")
]
