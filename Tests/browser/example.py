"""A gateway that looks lived in: what screenshots show."""

import datetime

from integration.api import route
from integration.ports import free_port


def day(offset):
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=offset)
    return moment.strftime("%Y%m%d%H%M%SZ")


def furnish(api, authority, grpc_port=50051):
    for name, days, hosts in (("shop", 240, ["shop.example", "www.shop.example"]), ("chat", 12, ["chat.example"]), ("old", -3, ["old.example"])):
        identity = authority.issue(*hosts, end=day(days))
        api.create_certificate(name, identity.chain, identity.key)
    api.create_domain("shop.example", https="force", certificate="shop")
    api.create_domain("chat.example", https="on", certificate="chat")
    api.create_domain("partners.example", https="on", certificate="shop", clientAuth={"mode": "required", "ca": authority.cert})
    api.create_domain("*.dev.example")
    api.create_static("cart", f"127.0.0.1:{grpc_port}", "10.0.0.6:50051", protocol="grpc", healthCheck={"type": "grpc"})
    api.create_static("cart-next", "10.0.0.7:50051", protocol="grpc")
    api.create_static("chat", "10.0.1.5:8080", "10.0.1.6:8080", loadBalancing={"policy": "leastRequest"})
    api.post(
        "/v1/service-sources",
        {"name": "catalog", "type": "dns", "domain": "catalog.internal.example", "port": 8443, "protocol": "https"},
    )
    behind = {"name": "behind-balancer", "address": "127.0.0.1", "port": free_port(), "protocol": "https"}
    api.post("/v1/listeners", behind | {"proxyProtocol": {"trustedRanges": ["10.0.0.0/8"]}, "limits": {"maxConnections": 20000}})
    api.post("/v1/proxy-servers", {"name": "egress", "type": "HTTP", "serverAddress": "proxy.internal.example", "serverPort": 3128})
    api.create_static("billing", "10.0.2.7:443", protocol="https", proxyName="egress")
    api.post(
        "/v1/consumers",
        {"name": "mobile-app", "credentials": [{"type": "key-auth", "source": "HEADER", "key": "x-api-key", "values": ["k1"]}]},
    )
    api.post("/v1/consumers", {"name": "partner", "credentials": [{"type": "basic-auth", "username": "partner", "password": "p"}]})
    rows = [
        route("cart", ["shop.example"], [("cart.static", 95), ("cart-next.static", 5)], "/shop.Cart/", protocol="GRPC", timeouts={"responseHeaders": 5000}),
        route("catalog", ["shop.example"], "catalog.dns", "/catalog", methods=["GET", "HEAD"], cors={"enabled": True}, rateLimit={"enabled": True, "qps": 200}),
        route("chat", ["chat.example"], "chat.static", "/ws", protocol="HTTP", streamPolicy={"mode": "drain", "after": 60000}),
        route("partners", ["partners.example"], "cart.static", "/shop.Partner/", protocol="GRPC", authConfig={"enabled": True, "allowedConsumers": ["partner"]}),
        route("dev", ["*.dev.example"], "catalog.dns", "/", rewrite={"enabled": True, "host": "dev.internal.example"}),
    ]
    for each in rows:
        for service in each["services"]:
            service["port"] = None
        api.post("/v1/routes", each)
