"""Health of services in the page: counts in the table, and of one service what each worker says of each endpoint."""

import socket

from integration.ports import free_port
from integration.waiting import wait_until
from peers.http1 import EchoServer


def test_how_many_endpoints_are_fit_and_why_others_are_not(admin, api):
    check = {"type": "tcp", "interval": 200, "timeout": 200, "unhealthyThreshold": 1, "healthyThreshold": 1}
    with EchoServer() as fit:
        gone = free_port()
        api.create_static("half", fit.port, gone, healthCheck=check)
        api.create_static("spare", 9)
        api.create_route("half", [], "half.static")
        admin.open("#/services").row("half.static")
        wait_until(lambda: "1 of 2 healthy" in admin.row("half.static"), 20, "a check has failed")
        assert "unknown" in admin.row("spare.static") and "No route uses it" in admin.row("spare.static")
        assert admin.axe() == []
        admin.click("1 of 2 healthy: half.static", exact=True).see("Endpoints of half.static", f"127.0.0.1:{gone}", "unhealthy", "check failed")
        wait_until(lambda: [each.get_attribute("data-name") for each in admin.all(".endpoint")] == [f"127.0.0.1:{fit.port}", f"127.0.0.1:{gone}"], 10)
        assert admin.axe() == []
        # It goes on being asked for while it is open.
        with EchoServer(listener=socket.create_server(("127.0.0.1", gone))):
            wait_until(lambda: "unhealthy" not in admin.dialog_text and "healthy" in admin.dialog_text, 20, "the check passes")
            admin.click("Close", kinds="dialog button").no_dialog()
            wait_until(lambda: "2 of 2 healthy" in admin.row("half.static"), 20, "the table follows")
