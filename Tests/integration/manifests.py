"""Kubernetes manifests as people who move over have them, with the addresses of a test's own back ends in them."""

import base64
import copy
import json

import yaml

NGINX = "nginx.ingress.kubernetes.io/"
HIGRESS = "higress.io/"


def text(*objects):
    """One YAML document each."""
    return yaml.safe_dump_all([copy.deepcopy(each) for each in objects], sort_keys=False)


def metadata(name, namespace="default", annotations=None, labels=None):
    made = {"name": name, "namespace": namespace}
    if annotations:
        made["annotations"] = annotations
    if labels:
        made["labels"] = labels
    return made


def nginx(**annotations):
    return {NGINX + name.replace("_", "-"): value for name, value in annotations.items()}


def tls_secret(name, identity, namespace="default"):
    def encoded(pem):
        return base64.b64encode(pem.encode()).decode()

    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": metadata(name, namespace),
        "data": {"tls.crt": encoded(identity.chain), "tls.key": encoded(identity.key)},
    }


def ca_secret(name, pem, namespace="default"):
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": metadata(name, namespace),
        "stringData": {"ca.crt": pem},
    }


def service(name, port=80, namespace="default", port_name="http", **spec):
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(name, namespace),
        "spec": {
            "type": "ClusterIP",
            "selector": {"app": name},
            "ports": [{"name": port_name, "port": port, "targetPort": 8080, "protocol": "TCP"}],
            **spec,
        },
    }


def endpoints(name, *ports, namespace="default", port_name="http"):
    """Of back ends on this machine, each with a port of its own."""
    return {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": metadata(name, namespace),
        "subsets": [
            {"addresses": [{"ip": "127.0.0.1"}], "ports": [{"name": port_name, "port": port, "protocol": "TCP"}]}
            for port in ports
        ],
    }


def slice_of(name, *ports, namespace="default", port_name="http"):
    return [
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": metadata(f"{name}-{index}", namespace, labels={"kubernetes.io/service-name": name}),
            "addressType": "IPv4",
            "ports": [{"name": port_name, "port": port, "protocol": "TCP"}],
            "endpoints": [
                {"addresses": ["127.0.0.1"], "conditions": {"ready": True}},
                {"addresses": ["127.0.0.9"], "conditions": {"ready": False}},
            ],
        }
        for index, port in enumerate(ports)
    ]


def backend(name, port=80):
    return {"service": {"name": name, "port": {"name": port} if isinstance(port, str) else {"number": port}}}


def path(value, target, kind="Prefix"):
    return {"path": value, "pathType": kind, "backend": target}


MCP_BRIDGE = {"resource": {"apiGroup": "networking.higress.io", "kind": "McpBridge", "name": "default"}}


def ingress(name, rules, namespace="default", class_name=None, annotations=None, tls=None, labels=None, **spec):
    """`rules`: host to paths; the host "" is any."""
    made = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": metadata(name, namespace, annotations, labels),
        "spec": {**({"ingressClassName": class_name} if class_name else {}), **spec},
    }
    if rules:
        made["spec"]["rules"] = [
            {**({"host": host} if host else {}), "http": {"paths": paths}} for host, paths in rules.items()
        ]
    if tls:
        made["spec"]["tls"] = [{"hosts": [host], "secretName": secret} for host, secret in tls.items()]
    return made


def bridge(*registries, proxies=()):
    return {
        "apiVersion": "networking.higress.io/v1",
        "kind": "McpBridge",
        "metadata": metadata("default", "higress-system"),
        "spec": {"registries": list(registries), **({"proxies": list(proxies)} if proxies else {})},
    }


class Importer:
    """Sends manifests to `/v1/import/ingress`."""

    def __init__(self, api):
        self.api = api

    def send(self, body, query="", kind="application/yaml"):
        if not isinstance(body, (str, bytes)):
            body = text(*body) if kind == "application/yaml" else json.dumps(body)
        return self.api.session.post(
            f"{self.api.base}/v1/import/ingress{query}",
            data=body.encode() if isinstance(body, str) else body,
            headers={"Content-Type": kind},
            auth=(self.api.user, self.api.password),
            timeout=60,
        )

    def __call__(self, *objects, query="", status=200):
        answer = self.send(objects, query or "?wait=live&timeout=20s")
        assert answer.status_code == status, f"{answer.status_code}, expected {status}: {answer.text[:3000]}"
        return answer.json()


def report(answer, severity=None):
    """Paths and messages of what was not taken over as it is."""
    return {
        (each["kind"], each["name"], each["path"]): each["message"]
        for each in answer["report"]
        if severity in (None, each["severity"])
    }
