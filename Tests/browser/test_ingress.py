"""Ingresses in the page: what would be taken over and what not is told first, then it is stored."""

import pytest

from browser.conftest import PASSWORD
from browser.page import PHONE
from integration.waiting import wait_until

HTML = "<img/src=x/onerror=document.title='pwned'><b>"

SHOP = """\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web
  namespace: shop
  annotations:
    nginx.ingress.kubernetes.io/server-snippet: "more_set_headers 'x: y';"
spec:
  rules:
  - host: shop.test
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
"""
SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {ports: [{port: 80}]}
"""
BROKEN = """\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: broken, namespace: shop}
spec:
  rules:
  - http:
      paths:
      - {path: "/%s", pathType: Prefix, backend: {service: {name: nobody}}}
"""


def show(page, *texts):
    """Drops a file for each."""
    page.script(
        """const files = new DataTransfer();
           for (const text of arguments[0]) files.items.add(new File([text], 'manifest.yaml'));
           const zone = document.querySelector('.ingress .drop');
           zone.dispatchEvent(new DragEvent('drop', {dataTransfer: files, bubbles: true, cancelable: true}))""",
        texts,
    )
    wait_until(lambda: texts[-1].strip() in page.value("manifests"), 10, "the files in the field")


def remarks(page):
    return page.script("return [...document.querySelectorAll('.report tbody tr')].map((each) => each.innerText)")


def test_manifests_are_previewed_and_imported(admin, api):
    admin.open("#/transfer").see("Import from Kubernetes")
    show(admin, SHOP, SERVICE)
    admin.click("Preview the import").see("Nothing is stored yet", "What is not taken over as it is", "server-snippet", "Ingress shop/web", "created")
    assert api.get("/v1/routes") == []
    assert admin.axe() == []
    admin.click("Apply", exact=True).see("Saved and live.").gone("Nothing is stored yet")
    [route] = api.get("/v1/routes")
    assert route["domains"] == ["shop.test"]
    # The same once more.
    show(admin, SHOP, SERVICE)
    admin.click("Preview the import").see("Nothing would change.", "objects are there already, and equal")
    assert "Apply" not in [each.text for each in admin.all("main button")]


def test_what_is_refused_can_be_left_out(admin, api):
    admin.expected.add("400")
    admin.open("#/transfer").click("Preview the import")
    assert admin.error("manifests") == "Is required."
    show(admin, SHOP, SERVICE, BROKEN % HTML)
    admin.click("Preview the import").see("Nothing would be stored", "switch on “Take what can be taken”", "Ingress shop/broken")
    # The worst first, and one severity alone.
    assert remarks(admin)[0].startswith("refused")
    admin.click("ignored 1")
    assert [each.split()[0] for each in remarks(admin)] == ["ignored"]
    admin.click("All")
    assert admin.axe() == []
    assert not admin.all("main img, .report b") and admin.script("return document.title") != "pwned"
    # What is asked otherwise is previewed anew.
    admin.fill("partial", True).gone("Nothing would be stored")
    admin.click("Preview the import").see("Nothing is stored yet", "refused 1").click("Apply", exact=True).see("Saved and live.").gone("Nothing is stored yet")
    assert len(api.get("/v1/routes")) == 1
    admin.fill("manifests", "kind: [").click("Preview the import")
    wait_until(lambda: [each for each in admin.all(".form-error, .error") if each.text], 10, "what is wrong with the text")


def test_what_exists_is_replaced_when_asked(admin, api):
    admin.expected.add("409")
    admin.open("#/transfer")
    show(admin, SHOP, SERVICE)
    admin.click("Preview the import").click("Apply", exact=True).see("Saved and live.").gone("Nothing is stored yet")
    show(admin, SHOP.replace("path: /,", "path: /new,"), SERVICE)
    admin.click("Preview the import").see("These exist already and differ", "switch on “Replace what exists and differs”")
    admin.fill("overwrite", True).click("Preview the import").see("/new", "changed").click("Apply", exact=True).see("Saved and live.").gone("Nothing is stored yet")
    assert api.get("/v1/routes")[0]["path"]["matchValue"] == "/new"
    admin.expected.add("400")
    admin.script("document.querySelector('.ingress summary').scrollIntoView({block: 'center'})")
    admin.click("Which ones, and where they stand", kinds="summary")
    show(admin, SHOP)
    admin.fill("namespace", "not a name").click("Preview the import")
    assert admin.error("namespace")
    admin.fill("namespace", "").fill("ingressClass", "other").click("Preview the import").see("Nothing would change.")


@pytest.mark.parametrize("dark", [False, True])
def test_in_chinese_on_a_phone(browsers, api, dark):
    page = browsers(size=PHONE, language="zh-CN", dark=dark)
    page.expected.add("400")
    page.open("#/transfer")
    page.fill("username", "admin").fill("password", PASSWORD).click("登录", kinds="button").see("从 Kubernetes 导入")
    show(page, SHOP, SERVICE, BROKEN % "x")
    page.click("预览导入").see("不会保存任何内容", "拒绝 1")
    assert page.script("return document.documentElement.scrollWidth <= innerWidth")
    assert page.axe() == []
