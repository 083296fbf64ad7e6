"""Import and export in the page: a file out, changed, and in again, with what it would change shown first."""

import sqlite3

import pytest
import requests

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
    admin.open("#/transfer").see("Put a backup back").click("Without the page", kinds="summary").see("causeway-control restore causeway-")
    admin.driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    api.create_domain("kept.test")
    admin.open("#/transfer").click("Back up", exact=True).see("Its private keys open only where")
    file = wait_until(lambda: next(iter(tmp_path.glob("causeway-*.sqlite3")), None), 10)
    assert file.read_bytes().startswith(b"SQLite format 3\x00")
    with sqlite3.connect(file) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def make_backup(api, path, passphrase=None):
    answer = requests.post(f"{api.base}/v1/backup", json={"passphrase": passphrase}, auth=(api.user, api.password), timeout=30)
    assert answer.status_code == 200
    path.write_bytes(answer.content)
    return str(path)


def test_a_backup_is_put_back_after_it_was_looked_at(admin, api, tmp_path):
    admin.expected |= {"400", "401"}
    api.create_domain("kept.test")
    file = make_backup(api, tmp_path / "before.sqlite3")
    api.create_domain("later.test")
    junk = tmp_path / "junk.sqlite3"
    junk.write_bytes(b"no database")
    admin.open("#/transfer").see("Put a backup back").click("Look at it", exact=True).see("Choose a backup first.")
    chooser = lambda: admin.all("main input[type=file]")[-1]
    chooser().send_keys(str(junk))
    admin.see("junk.sqlite3").click("Look at it", exact=True)
    wait_until(lambda: admin.script("return [...document.querySelectorAll('.form-error')].at(-1).textContent"), 10, "why it is none")
    assert not admin.all(".found")
    chooser().send_keys(file)
    admin.see("before.sqlite3").click("Look at it", exact=True).see("What is in it", "the same as here")
    assert admin.axe() == []
    domains = "return [...document.querySelectorAll('.found tr[data-kind=domain] td')].map((each) => Number(each.textContent))"
    now, then = admin.script(domains)
    assert now == then + 1
    # Saying no changes nothing.
    admin.click("Put it back", exact=True).see("Put this backup back?", "replaces all that is here now, version", "All sessions end")
    admin.click("Cancel", kinds="dialog button", exact=True).no_dialog()
    assert len([each for each in api.get("/v1/domains") if each["name"] == "later.test"]) == 1
    admin.click("Put it back", exact=True).click("Put it back", kinds="dialog button", exact=True).see("The backup is back", seconds=30)
    admin.click("Log in", kinds="dialog button", exact=True).one("form")
    admin.login().see("Overview").open("#/domains").see("kept.test")
    assert "later.test" not in admin.rows()
