"""What the server says, on the Chinese page: errors at fields, warnings, reports, reasons; what has no words stays English and says so; whatever
stands in a text stays text."""

import pytest

from browser.conftest import PASSWORD
from integration.waiting import wait_until

RULES = """
import("/parts/server.js").then(({compiled, translated}) => {
  const table = compiled(arguments[0]);
  arguments[2](arguments[1].map((each) => translated(each, table)));
});
"""
TABLE = {
    "is required": "必填",
    "must be {}, not {}": "须为{1~}，而不是{2~}",
    "must be {}": "须为 {1}",
    "a whole number": "整数",
    "text": "文本",
    "the {} {} is in use by {}": "{1~} {2} 正被 {3} 使用",
    "{} is listed twice": "{1} 重复出现",
    "PEM block {} is damaged": "第 {1} 个 PEM 块已损坏",
}


@pytest.fixture
def chinese(browsers, api):
    page = browsers(language="zh-CN")
    page.expected |= {"400", "409"}
    page.open().fill("username", "admin").fill("password", PASSWORD).press("\ue007").see("从零到第一次调用")
    return page


def test_patterns(page):
    page.open()
    texts = {
        "Is required.": "必填。",
        "is required": "必填",
        # The one that says more comes first; what is filled in is translated where the words ask for it.
        "Must be a whole number, not text.": "须为整数，而不是文本。",
        "Must be 1.5s, not <b>text</b>.": "须为1.5s，而不是<b>text</b>。",
        "services[0].port: Must be a whole number.": "services[0].port：须为 a whole number。",
        "'a is listed twice' is listed twice.": "'a is listed twice' 重复出现。",
        "PEM block 2 is damaged.": "第 2 个 PEM 块已损坏。",
        "Is required; must be text": "必填；须为 text",
        # None that fits, nothing in a place, too much of it.
        "Is required. Really.": None,
        "Must be .": None,
        "": None,
        f"Must be {'x' * 4000}.": None,
        "a, not " * 200 + "b": None,
    }
    assert page.driver.execute_async_script(RULES, TABLE, list(texts)) == list(texts.values())


def test_errors_of_fields(chinese, api):
    api.create_domain("taken.test")
    chinese.open("#/domains?new=1").fill("name", "taken.test").card("off").click("创建", exact=True)
    assert chinese.error("name") == "名称已存在。"
    chinese.fill("name", "Not.Lower").click("创建", exact=True)
    wait_until(lambda: chinese.error("name") == "须为小写。", 10)
    chinese.open("#/domains").row("taken.test")
    chinese.click("放弃", kinds="dialog button").no_dialog()
    # A name that would be markup, within the words.
    chinese.open("#/sources?new=1").fill("name", "one").fill("domain", "<img/src=x>").click("创建", exact=True)
    assert chinese.error("domain") == "“<img/src=x>”须为“地址:端口”，例如 10.0.0.5:8080 或 [::1]:8080。"
    assert chinese.all("dialog img") == []


def test_errors_without_fields(browsers, api):
    page = browsers(language="zh-CN")
    page.expected |= {"404"}
    page.open().fill("username", "admin").fill("password", "wrong").press("\ue007").see("用户名或密码错误。")
    page.fill("password", PASSWORD).press("\ue007").see("概览")
    api.create_domain("gone.test")
    page.open("#/domains").row("gone.test")
    api.delete("/v1/domains/gone.test")
    page.click("删除 gone.test").click("删除", kinds="dialog button", exact=True).see("没有域名 gone.test。")


def test_warnings_of_what_is_saved_and_effects_of_a_preview(chinese, api):
    api.create_static("one", 9)
    api.create_route("first", [], "one.static")
    chinese.open("#/routes?edit=first").unfold("CORS").fill("cors.enabled", True).fill("cors.allowCredentials", True)
    chinese.click("保存", exact=True).see("cors.allowCredentials：允许所有来源时，任何网站都能以访问者的身份操作。").no_dialog()
    # The mark beside the name says the same.
    wait_until(lambda: "任何网站都能" in chinese.row("first"), 5)
    chinese.open("#/sources?edit=one").fill("domain", "127.0.0.1:10").click("预览", exact=True)
    chinese.see("first + 端点 127.0.0.1:10 − 端点 127.0.0.1:9")


def test_import_reports(chinese):
    chinese.open("#/transfer").fill("manifests", MANIFEST).click("预览导入")
    chinese.see("由 headerControl、rewrite 等字段实现", "没有导入的对象向其发送请求。")
    words = chinese.script("return [...document.querySelectorAll('.report tbody tr')].map((each) => each.innerText)")
    assert any("<b>bold" in each for each in words) and chinese.all(".report b") == []
    assert [each.text for each in chinese.all(".report [lang=en]")] == []


def test_reasons_of_the_tester(chinese, api):
    api.create_static("one", 9)
    api.create_route("deep", [], "one.static", path="/deep")
    api.create_route("wide", [], "one.static", path="/")
    chinese.open("#/tester?method=GET&url=http://x.test/deep").see("路由 deep 接受此请求。", "可以匹配，但优先级更高的路由已匹配")
    chinese.open("#/workers").one("article")
    chinese.open("#/tester?method=GET&url=http://x.test/../").see("请求以 400 拒绝")


def test_reasons_of_a_try_out(chinese):
    chinese.open("#/try?kind=http&listener=https&authority=x.test&path=/").click("发送请求", exact=True)
    chinese.see("是否有该名称且带证书的域名？（")


def test_what_has_no_words_says_that_it_is_english(chinese):
    chinese.script("""window.fetch = async () => new Response(JSON.stringify({code: 'storage', message: 'The frobnicator <i>stopped</i>.', errors: []}), {status: 503, headers: {'Content-Type': 'application/json'}})""")
    chinese.open("#/settings").see("无法写入磁盘，没有任何改动。", "The frobnicator <i>stopped</i>.")
    assert chinese.one(".error [lang=en]").text == "The frobnicator <i>stopped</i>."


MANIFEST = """
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web
  annotations:
    nginx.ingress.kubernetes.io/server-snippet: "return 204;"
    nginx.ingress.kubernetes.io/ssl-cipher: "<b>bold</b>"
spec:
  rules:
    - host: web.test
      http:
        paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80}], clusterIP: 10.96.0.12}
---
apiVersion: v1
kind: Service
metadata: {name: other}
spec: {ports: [{port: 80}], clusterIP: 10.96.0.13}
"""
