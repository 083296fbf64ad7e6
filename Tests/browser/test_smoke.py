"""The story of the README in the browser alone: set-up, certificate, domain, service, route, and then a real call by grpcurl."""

import json
import pathlib
import subprocess
import sys

from peers.running import RunningPeer

GRPCURL = pathlib.Path(sys.executable).parent / "grpcurl"
HOST = "demo.kubesre.com"


def grpcurl(gateway, *arguments):
    run = subprocess.run(
        [GRPCURL, "-insecure", "-authority", HOST, *arguments], capture_output=True, text=True, timeout=30
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_the_story_in_the_browser(page, empty, authority):
    identity = authority.issue(HOST)
    with RunningPeer("grpc_server.py") as server:
        page.set_up().see("From nothing to the first call")

        page.click("Upload", exact=True).fill("name", "demo")
        page.one("dialog input[type=file]").send_keys(f"{identity.path}\n{identity.key_path}")
        page.see("One private key").click("Create", exact=True).no_dialog().see("Saved and live.")
        assert HOST in page.row("demo")

        page.click("Overview").click("Add", exact=True).fill("name", HOST).fill("certIdentifier", "demo")
        page.click("Create", exact=True).no_dialog()

        page.click("Overview").click("Add", exact=True).fill("name", "greeter").fill("domain", f"127.0.0.1:{server.port}")
        page.click("Create", exact=True).no_dialog()

        # The only domain and the only service are chosen already.
        page.click("Overview").click("Route", exact=True).fill("name", "greeter").card("grpc")
        page.click("Create", exact=True).no_dialog().see("Saved and live.")
        assert "GRPC" in page.row("greeter")
        page.click("Overview").see("Try it", f"grpcurl -insecure -authority {HOST}").gone("From nothing to the first call")

        address = f"127.0.0.1:{empty.https_port}"
        assert "helloworld.Greeter" in grpcurl(empty, address, "list").split()
        answer = grpcurl(empty, "-d", '{"name": "browser"}', address, "helloworld.Greeter/SayHello")
        assert json.loads(answer)["message"] == "Hello, browser!"
