"""The pair matrix as a table: what every kind of traffic does for each protocol in front and behind.

`docs/conformance.md` shows the same table; a test compares the two.
"""

# How clients come in, and how services are spoken to. `h2 plain` does not offer RFC 8441, `h2` does.
DOWNSTREAM = ["h1 clear", "h1 TLS", "h2 clear", "h2 TLS"]
UPSTREAM = ["h1", "h1 TLS", "h2c", "h2 TLS"]

GRPC_KINDS = ["unary gRPC", "client streaming", "server streaming", "bidi streaming"]
HTTP_KINDS = ["GET", "POST", "chunked with trailers"]
WEBSOCKETS = ["WebSocket, service with RFC 8441", "WebSocket, service without"]

KINDS = [*GRPC_KINDS, *HTTP_KINDS, *WEBSOCKETS]


def expected(kind, downstream, upstream):
    """What a cell does, in the words of the document."""
    h1_front, h1_back = downstream.startswith("h1"), upstream.startswith("h1")
    if kind in GRPC_KINDS:
        if h1_back:
            return "refused: UNIMPLEMENTED, the reason names `protocol`"
        return "works as gRPC-Web" if h1_front else "works"
    if kind == "WebSocket, service without" and not h1_back:
        return "502 with a reason"
    return "works"


def table():
    """The table in Markdown; cells that agree in all variants of a protocol are written once."""
    lines = ["| | h1 → h1 | h1 → h2 | h2 → h1 | h2 → h2 |", "| --- | --- | --- | --- | --- |"]
    for kind in KINDS:
        cells = []
        for front in ("h1", "h2"):
            for back in ("h1", "h2"):
                results = {
                    expected(kind, downstream, upstream)
                    for downstream in DOWNSTREAM
                    for upstream in UPSTREAM
                    if downstream.startswith(front) and upstream.startswith(back)
                }
                cells.append(" / ".join(sorted(results)))
        lines.append(f"| {kind} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
