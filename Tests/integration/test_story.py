"""The story of the project, told by scripts/story to a fresh gateway, twice: a second run finds what the first left."""

import subprocess

from integration.gateway import ROOT


def run_story(gateway, *more):
    return subprocess.run(
        [
            ROOT / "scripts/story",
            "--admin-port",
            str(gateway.admin_port),
            "--https-port",
            str(gateway.https_port),
            "--user",
            gateway.api.user,
            "--password",
            gateway.api.password,
            *more,
        ],
        capture_output=True,
        text=True,
        timeout=150,
    )


def test_the_story_works_on_a_fresh_gateway(new_gateway):
    gateway = new_gateway()
    gateway.start_control()
    gateway.start_worker()
    told = run_story(gateway, "--keep")
    assert told.returncode == 0, told.stdout + told.stderr
    lines = told.stdout.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("$ grpcurl") and line.endswith(" list"))
    assert lines[at + 1 : at + 3] == ["grpc.reflection.v1alpha.ServerReflection", "helloworld.Greeter"]
    assert '"message": "Hello, Causeway!"' in told.stdout
    assert [line for line in lines if line.endswith(": echoed")] == [
        "text: echoed",
        "binary: echoed",
        "1 MiB of text: echoed",
        "1 MiB of binary: echoed",
    ]
    assert lines[-1] == "The story works."

    again = run_story(gateway)
    assert again.returncode == 0, again.stdout + again.stderr
    assert gateway.api.get("/v1/domains") == []
