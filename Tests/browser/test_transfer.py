"""Import and export in the page: a file out, changed, and in again, with what it would change shown first."""

import sqlite3

import pytest

from integration.waiting import wait_until


def downloads(page, folder):
    page.driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)})

    def newest():
        # Chromium takes the name first, with nothing in it.
        done = [each for each in folder.iterdir() if each.suffix in (".yaml", ".json") and each.stat().st_size]
        return max(done, key=lambda each: each.stat().st_mtime_ns, default=None)

    return newest


def test_a_document_goes_out_and_in(admin, api, authority, tmp_path):
    newest = downloads(admin, tmp_path)
    identity = authority.issue("out.test")
    api.create_certificate("out", identity.chain, identity.key)
    api.create_domain("out.test", https="on", certificate="out")
    api.create_static("one", 9)
    api.create_route("first", ["out.test"], "one.static", path="/old")
    admin.open("#/transfer").click("Export", kinds="button", exact=True).see("The file is in your downloads.")
    document = wait_until(newest, 10)
    text = document.read_text()
    assert "/old" in text and "PRIVATE KEY" not in text
    document.write_text(text.replace("/old", "/new"))
    admin.one("main input[type=file]").send_keys(str(document))
    admin.click("Preview", exact=True).see("/old", "/new", "Nothing is stored yet")
    assert api.get("/v1/routes/first")["path"]["matchValue"] == "/old"
    admin.click("Apply", exact=True).see("Saved and live.")
    assert api.get("/v1/routes/first")["path"]["matchValue"] == "/new"
    # The same once more changes nothing, and says so.
    admin.one("main input[type=file]").send_keys(str(document))
    admin.click("Preview", exact=True).see("Nothing would change.")
    admin.expected.add("400")
    admin.fill("text", "routes: nonsense").click("Preview", exact=True)
    wait_until(lambda: [each for each in admin.all(".form-error, .error") if each.text], 10)


@pytest.mark.parametrize("language", ["yaml", "json"])
def test_secrets_go_under_a_passphrase_and_open_elsewhere(language, admin, api, authority, tmp_path):
    newest = downloads(admin, tmp_path)
    identity = authority.issue("out.test")
    api.create_certificate("out", identity.chain, identity.key)
    api.create_domain("out.test", https="on", certificate="out")
    admin.expected.add("400")
    admin.open("#/transfer").fill("secrets", True).fill("passphrase", "short").click("Export", kinds="button", exact=True)
    assert "at least 12" in admin.error("passphrase")
    admin.fill("passphrase", "a long passphrase").fill("format", language).click("Export", kinds="button", exact=True)
    document = wait_until(newest, 10)
    assert "PRIVATE KEY" not in document.read_text() and "sealed" in document.read_text()
    api.delete("/v1/domains/out.test")
    api.delete("/v1/tls-certificates/out")
    admin.one("main input[type=file]").send_keys(str(document))
    admin.see("Opens the secrets in the document.")
    admin.script("document.querySelector('textarea').closest('form').querySelector('[data-path=passphrase] input').focus()")
    admin.press("a long passphrase")
    admin.click("Preview", exact=True).see("created", "out.test").click("Apply", exact=True).see("Saved and live.")
    assert api.get("/v1/tls-certificates/out")["domains"] == ["out.test"]


def test_a_backup_is_a_database(admin, api, tmp_path):
    admin.open("#/transfer").see("Put a backup back", "causeway-control restore causeway-")
    admin.driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    api.create_domain("kept.test")
    admin.open("#/transfer").click("Back up", exact=True).see("Its private keys open only where")
    file = wait_until(lambda: next(iter(tmp_path.glob("causeway-*.sqlite3")), None), 10)
    assert file.read_bytes().startswith(b"SQLite format 3\x00")
    with sqlite3.connect(file) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
