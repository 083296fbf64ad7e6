"""Whatever stands in names, texts and errors is shown as text. A script in it that ran would be seen here."""

import concurrent.futures
import contextlib

import grpc
from google.protobuf import descriptor_pb2
from grpc_reflection.v1alpha import reflection_pb2

from integration.site import Site

HTML = "<img/src=x/onerror=document.title='pwned'><script>document.title='pwned'</script>"


def looks(page, *addresses):
    for address, shown in addresses:
        page.open(address).one("main h1")
        page.wait_text_or_value(shown)
        assert page.script("return document.title") != "pwned"
        assert not page.all("main img, dialog img, main script, dialog script"), f"{address}: markup from data"


def test_hostile_data_is_text(admin, api, authority):
    admin.expected |= {"400", "404"}
    identity = authority.issue("hostile.test", cn="<b>bold")
    api.create_certificate("hostile", identity.chain, identity.key)
    api.create_static("one", 9)
    api.post("/v1/proxy-servers", {"name": "hostile", "type": "HTTP", "serverAddress": "proxy.test", "serverPort": 3128})
    api.post("/v1/consumers", {"name": "mallory", "credentials": [{"type": "basic-auth", "username": HTML, "password": HTML}]})
    api.create_route(
        "hostile",
        [],
        "one.static",
        path="/" + HTML,
        customConfigs={"higress.io/" + HTML: HTML},
        mock={"enabled": True, "content": HTML},
        headers=[{"key": "x", "matchType": "EQUAL", "matchValue": HTML}],
    )
    looks(
        admin,
        ("#/routes", "<img/src=x"),
        ("#/routes?edit=hostile", "<img/src=x"),
        ("#/proxies", "proxy.test"),
        ("#/listeners?q=" + HTML, "<img/src=x"),
        ("#/proxies?q=" + HTML, "<img/src=x"),
        ("#/consumers", "<img/src=x"),
        ("#/consumers?edit=mallory", "<img/src=x"),
        ("#/certificates", "<b>bold"),
        ("#/versions", "hostile"),
        ("#/overview", "hostile"),
    )
    # Addresses are data, too: the search is shown, an unknown object is named in a note.
    admin.open("#/routes?q=" + HTML).see("<img/src=x")
    admin.open("#/routes?edit=" + HTML).see("does not exist")
    admin.see("<img/src=x")
    # An error of the API that repeats what was typed.
    admin.open("#/domains?new=1").fill("name", HTML).card("off").click("Create", exact=True)
    admin.error("name")
    admin.script("location.hash = '#/certificates'")
    admin.click("Throw away").see("<b>bold")
    assert admin.script("return document.title") != "pwned"
    assert not admin.all("main img, dialog img, main b, dialog b, #notes img, script:not([src])")


def hostile_file():
    """A service whose method, message and field have markup for names; nothing in a file forbids it."""
    file = descriptor_pb2.FileDescriptorProto(name="hostile.proto", package="hostile", syntax="proto3")
    message = file.message_type.add(name=f"Ask{HTML}")
    message.field.add(name="text", json_name=HTML, number=1, type=9, label=1)
    service = file.service.add(name="Service")
    service.method.add(name=f"Call{HTML}", input_type=f".hostile.{message.name}", output_type=f".hostile.{message.name}")
    return file.SerializeToString()


def reflect(requests, context):
    for request in requests:
        answer = reflection_pb2.ServerReflectionResponse(original_request=request)
        if request.HasField("list_services"):
            for name in ("hostile.Service", f"hostile.{HTML}"):
                answer.list_services_response.service.add(name=name)
        elif request.file_containing_symbol == "hostile.Service":
            answer.file_descriptor_response.file_descriptor_proto.append(hostile_file())
        else:
            answer.error_response.error_code, answer.error_response.error_message = 5, HTML
        yield answer


@contextlib.contextmanager
def hostile_server():
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        server = grpc.server(threads)
        kind = grpc.stream_stream_rpc_method_handler(
            reflect, reflection_pb2.ServerReflectionRequest.FromString, reflection_pb2.ServerReflectionResponse.SerializeToString
        )
        server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler("grpc.reflection.v1alpha.ServerReflection", {"ServerReflectionInfo": kind})]
        )
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield port
        finally:
            server.stop(0).wait()


def test_what_reflection_tells_is_text(admin, api, empty, authority):
    empty.api = api
    site = Site(empty, authority)
    with hostile_server() as port:
        site.serve(port, protocol="GRPC")
        admin.open(f"#/try?kind=grpc&authority={site.host}").click("Load services").see("2 services")
        admin.see(f"Call{HTML}", f"hostile.Ask{HTML}")
        admin.wait_text_or_value(f'"{HTML[:20]}')
        admin.fill("service", f"hostile.{HTML}").one(".try .aside.warn")
        assert admin.script("return document.title") != "pwned"
        assert not admin.all("main img, main script, main b")


def test_the_policy_stops_what_would_get_through(admin):
    """Should markup ever get in, the browser does not run it."""
    admin.expected.add("404")
    admin.script("const p = document.createElement('p'); p.innerHTML = arguments[0]; document.body.append(p)", HTML)
    admin.script("const s = document.createElement('script'); s.textContent = \"document.title = 'pwned'\"; document.body.append(s)")
    assert admin.script("return document.title") != "pwned"
    admin.take_logs()
    assert [each for each in admin.console if "Content Security Policy" in each["message"]]
    admin.console.clear()
    admin.script("document.querySelectorAll('body > p, body > script').forEach((each) => each.remove())")
