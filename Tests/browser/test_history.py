"""What a change would do, what each change was, the way back; and what runs now, with the power to end it."""

import subprocess

import pytest

from integration.site import Site
from integration.waiting import wait_until


def test_preview_tells_what_saving_would_do_and_saves_nothing(admin, api):
    api.create_domain("a.test")
    api.create_domain("b.test")
    api.create_static("one", 9)
    api.create_route("first", ["a.test"], "one.static", path="/x")
    api.create_route("second", ["b.test"], "one.static", path="/x")
    before = api.get("/v1/routes")
    admin.open("#/routes?edit=second").fill("path.matchValue", "/y").click("a.test", kinds="label.chip").click("Preview", exact=True)
    admin.see("Nothing is stored yet", "/x", "/y", "Domains", "Path · Value")
    assert api.get("/v1/routes") == before
    admin.click("Back to the form")
    assert admin.value("path.matchValue") == "/y"
    admin.fill("path.matchValue", "/x").click("Preview", exact=True).see("Routes that nothing would reach any more", "second on a.test")
    api.create_route("third", ["a.test"], "one.static", path="/x")
    admin.click("Back to the form").expected.add("400")
    admin.fill("path.matchValue", "nonsense").click("Preview", exact=True)
    assert admin.error("path.matchValue")
    admin.click("Cancel", exact=True).click("Throw away")
    admin.open("#/overview").see("One route can never be reached")


def test_preview_of_a_domain_names_the_routes_on_it(admin, api, authority):
    identity = authority.issue("a.test")
    api.create_certificate("c", identity.chain, identity.key)
    api.create_domain("a.test")
    api.create_static("one", 9)
    api.create_route("first", ["a.test"], "one.static")
    admin.open("#/domains?edit=a.test").card("force").fill("certIdentifier", "c").click("Preview", exact=True)
    admin.see("Other routes that serve otherwise then", "first")


def test_certificate_is_read_while_it_is_entered(admin, api, authority):
    identity, other = authority.issue("read.test", "www.read.test"), authority.issue("other.test", key="rsa")
    admin.open("#/certificates?new=1").fill("cert", identity.chain).fill("key", identity.key)
    admin.see("The key belongs to the certificate.", "For read.test, www.read.test.", "Key: ECDSA P-256.", "Valid until")
    admin.expected.add("400")
    admin.fill("key", other.key).see("Does not belong to the certificate")
    assert api.get("/v1/tls-certificates") == []
    admin.fill("cert", identity.chain + authority.cert).fill("key", identity.key).see("Its chain ends sooner: ")
    expired = authority.issue("old.test", start="20200101000000Z", end="20210101000000Z")
    admin.fill("cert", expired.chain).fill("key", expired.key).see("Expired")


def test_a_pkcs12_file_stands_for_both(admin, api, authority, tmp_path):
    identity = authority.issue("packed.test")
    file = tmp_path / "site.pfx"
    command = ["openssl", "pkcs12", "-export", "-in", identity.path, "-inkey", identity.key_path, "-out", file, "-passout", "pass:open it"]
    subprocess.run(command, check=True, capture_output=True)
    admin.expected.add("400")
    admin.open("#/certificates?new=1").fill("name", "packed").one("dialog input[type=file]").send_keys(str(file))
    admin.see("site.pfx", "PKCS#12", "It needs its passphrase.")
    admin.fill("passphrase", "wrong").see("The passphrase does not open it.")
    admin.fill("passphrase", "open it").see("The key belongs to the certificate.", "For packed.test.")
    # The hint about its chain, and the texts again when the file is taken out.
    admin.click("Take it out")
    assert admin.value("cert") == ""
    admin.one("dialog input[type=file]").send_keys(str(file))
    admin.see("It needs its passphrase.").fill("passphrase", "open it").see("For packed.test.").click("Create", exact=True).no_dialog()
    assert "packed.test" in admin.row("packed")
    assert api.get("/v1/tls-certificates/packed")["domains"] == ["packed.test"]


def test_versions_are_compared_and_rolled_back(admin, api):
    api.create_domain("kept.test")
    api.create_static("one", 9)
    api.create_route("first", ["kept.test"], "one.static", path="/old")
    route = api.get("/v1/routes/first")
    api.put("/v1/routes/first", {**route, "path": {"matchType": "PRE", "matchValue": "/new"}})
    api.create_route("second", ["kept.test"], "one.static", path="/second")
    admin.open("#/versions?show=5").see("/old", "/new", "Roll back to this")
    admin.one("dialog select").click()
    admin.script("const s = document.querySelector('dialog select'); s.value = '6'; s.dispatchEvent(new Event('change'))")
    admin.wait_address("from=6")
    admin.see("deleted")
    admin.open("#/versions?show=4").click("Roll back to this").see("Back to version 4?", "/new", "/old", "deleted", "second")
    admin.click("Roll back to this", kinds="dialog button.primary").see("Saved and live.").no_dialog()
    assert api.get("/v1/routes/first")["path"]["matchValue"] == "/old"
    assert [each["name"] for each in api.get("/v1/routes")] == ["first"]
    admin.open("#/versions?show=4").click("Roll back to this").see("Nothing differs")


def test_rollback_after_somebody_else_saved_is_refused(admin, api):
    api.create_domain("one.test")
    api.create_domain("two.test")
    admin.expected.add("409")
    admin.open("#/versions?show=1").click("Roll back to this").see("Back to version 1?")
    api.create_domain("three.test")
    admin.click("Roll back to this", kinds="dialog button.primary")
    wait_until(lambda: len(admin.all("#notes .note.bad")) == 1, 10)
    assert len(api.get("/v1/domains")) == 3


@pytest.fixture
def chat(empty, api, authority, ws_server):
    site = Site(empty, authority, host="chat.test")
    site.serve(ws_server.port, path="/")
    return site


def test_live_streams_are_listed_and_ended(admin, api, chat):
    admin.open("#/streams").see("Nothing runs for longer than a second")
    with chat.websocket("/echo") as socket:
        socket.send("hello")
        assert socket.recv(10) == "hello"
        admin.see("WebSocket", "chat.test", "1 / 1 messages", seconds=20)
        # Deleting what it runs on says so.
        name = api.get("/v1/routes")[0]["name"]
        admin.open("#/routes").click(f"Delete {name}").see("One stream runs on these routes now").click("Cancel", exact=True)
        admin.open("#/streams").click("End the stream").see("A WebSocket gets a close frame")
        admin.click("End the stream", kinds="dialog button")
        with pytest.raises(Exception, match="1012"):
            while True:
                socket.recv(10)
        admin.see("Nothing runs for longer than a second")


def test_a_certificate_is_replaced_with_a_preview_that_people_can_read(admin, api, authority):
    old, new = authority.issue("shop.test"), authority.issue("shop.test", "www.shop.test", key="rsa")
    api.create_certificate("shop", old.chain, old.key)
    admin.open("#/certificates?edit=shop").one("dialog input[type=file]").send_keys(f"{new.path}\n{new.key_path}")
    admin.see("The key belongs to the certificate.").click("Preview", exact=True).see("ECDSA P-256", "RSA 2048", "www.shop.test", "Fingerprint")
    admin.click("Back to the form").click("Save", exact=True).no_dialog()
    assert "www.shop.test" in api.get("/v1/tls-certificates/shop")["domains"]
