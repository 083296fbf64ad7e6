"""docs/openapi.yaml against the running control plane, by schemathesis: what it says is refused is, answers are as it describes them,
and nothing makes a 500. schemathesis.toml has what is set apart, and why.

`--schema-examples N` makes it longer, `--schema-seed N` is another run; a failure shows the command that repeats it.
"""

import os
import pathlib
import subprocess
import sys

import pytest

from integration.gateway import ROOT

HERE = pathlib.Path(__file__).resolve().parent
# Those end the session that the run lives by, slow it down after failures, or go on without end.
APART = ["followAccessLog", "listen", "listenToTry", "login", "logout", "changePassword", "resetPassword", "revokeSession"]


def test_the_document_is_served_as_it_is(gateway):
    assert gateway.api.call("GET", "/openapi.yaml", auth=False).text == (ROOT / "docs/openapi.yaml").read_text()


@pytest.mark.timeout(7200)
def test_the_document_holds(new_gateway, request, tmp_path):
    gateway = new_gateway().start()
    user = {"username": gateway.api.user, "password": gateway.api.password}
    session = gateway.api.expect(201, "POST", "/session/login", user, auth=False).cookies["_hi_sess"]
    options = request.config.getoption
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", HERE / "schemathesis.toml"),
        *("run", f"{gateway.api.base}/openapi.yaml", "--checks", "all", "--continue-on-failure", "--warnings", "off"),
        *("--max-examples", options("--schema-examples"), "--seed", options("--schema-seed")),
        *("--suppress-health-check", "all"),
        *(part for name in APART for part in ("--exclude-operation-id", name)),
    ]
    run = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "CAUSEWAY_SESSION": session, "SCHEMATHESIS_HOOKS": str(HERE / "schemathesis_hooks.py")},
    )
    log = pathlib.Path(gateway.control.log).read_text()
    assert run.returncode == 0, f"{' '.join(map(str, command))}\n{run.stdout[-30000:]}\n{run.stderr[-2000:]}"
    still = gateway.api.call("GET", "/user/info", auth=False, cookies={"_hi_sess": session})
    assert still.status_code == 200, "the run lost its session: from then on every answer was a 401"
    assert '"level":"error"' not in log and '"level":"critical"' not in log
    gateway.stop()
