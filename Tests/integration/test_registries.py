"""Sources of registries are taken and kept, and every answer about them says that no registry is asked."""

import pytest

WORDS = "stored but not yet asked for services"


@pytest.mark.parametrize(
    ("type", "properties"),
    [
        ("nacos", {"nacosGroups": ["DEFAULT_GROUP"]}),
        ("nacos2", {"nacosGroups": ["DEFAULT_GROUP"]}),
        ("nacos3", {"nacosGroups": ["DEFAULT_GROUP"]}),
        ("consul", {"consulDatacenter": "dc1", "consulServiceTag": "web", "consulRefreshInterval": 30}),
        ("eureka", {}),
        ("zookeeper", {"zkServicesPath": ["/services"]}),
    ],
)
def test_a_registry_is_stored_and_said_not_to_be_asked(gateway, type, properties):
    api = gateway.api
    name = f"registry-{type}"
    body = {"name": name, "type": type, "domain": "registry.test", "port": 8848, "properties": properties}
    made = api.post("/v1/service-sources", body)
    listed = next(each for each in api.get("/v1/service-sources") if each["name"] == name)
    shown = api.expect(200, "GET", f"/v1/service-sources/{name}").json()
    for source in (made, listed, shown["data"]):
        assert source["properties"] == properties and source["type"] == type
    changed = api.put(f"/v1/service-sources/{name}", {**shown["data"], "port": 8849})
    for warnings in (made["warnings"], listed["warnings"], shown.get("warnings") or shown["data"]["warnings"], changed["warnings"]):
        assert any(WORDS in each and type in each for each in warnings), warnings
    # No service comes of it, and a route cannot be sent there.
    assert not [each for each in api.get("/v1/services") if name in each["name"]]
    route = {"name": f"to-{name}", "domains": [], "path": {"matchType": "PRE", "matchValue": f"/{name}"}, "services": [{"name": f"web.DEFAULT-GROUP.public.{type}", "port": 80}]}
    refused = api.expect(400, "POST", "/v1/routes", route).json()
    assert refused["errors"][0]["field"].startswith("services")
    api.delete(f"/v1/service-sources/{name}")
