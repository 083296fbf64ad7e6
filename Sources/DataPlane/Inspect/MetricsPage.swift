// What the worker tells about itself in Prometheus text: the cells of all loops, added up.

internal import ConfigModel
internal import Synchronization
internal import Telemetry

struct MetricsPage {
    let registry: MetricsRegistry
    let status: WorkerStatus
    let health: HealthChecker
    let resolver: Resolver
    let files: EndpointFiles

    func text() -> [UInt8] {
        var page = PrometheusText()
        let status = status.read()
        page.begin("causeway_config_version", .gauge, help: "Version of the snapshot that is served; 0: none.")
        page.sample([], status.version)
        page.begin("causeway_ready", .gauge, help: "1 while a snapshot is served.")
        page.sample([], UInt64(status.isServing ? 1 : 0))
        for metric in LoopMetric.allCases {
            page.begin(metric.text.name, .counter, help: metric.text.help)
            page.sample([], sum(registry.loops, metric.rawValue))
        }
        page.begin("causeway_config_snapshots_held", .gauge, help: "Snapshots that are served or still run.")
        page.sample([], Int64(registry.snapshots.load(ordering: .relaxed)))
        page.begin("causeway_config_store_failing", .gauge, help: "1 while snapshots cannot be kept on disk.")
        page.sample([], UInt64(status.storeFails ? 1 : 0))
        page.begin("causeway_downstream_connections_open", .gauge, help: "Client connections that are open.")
        page.sample([], difference(.connectionsOpened, .connectionsClosed))
        page.begin("causeway_downstream_exchanges_active", .gauge, help: "Requests and streams that are open.")
        page.sample([], difference(.requests, .exchangesEnded))
        for gauge in LoopGauge.allCases {
            page.begin(gauge.text.name, .gauge, help: gauge.text.help)
            page.sample([], Int64(bitPattern: sum(registry.loops, LoopStatistics.gauges + gauge.rawValue)))
        }
        page.begin("causeway_errors_total", .counter, help: "Exchanges that the gateway answered or ended, by flag.")
        for error in ProxyError.allCases {
            let value = sum(registry.loops, LoopStatistics.errors + Int(error.rawValue))
            page.sample([("flag", "\(error.row.flag)"), ("kind", "\(error)")], value)
        }
        addWebSockets(&page)
        addListeners(&page)
        page.begin("causeway_downstream_abuse_total", .counter, help: "What limits on clients have stopped, by kind.")
        for kind in AbuseKind.allCases {
            page.sample([("kind", kind.label)], sum(registry.loops, LoopStatistics.firstAbuse + kind.rawValue))
        }
        page.begin("causeway_held_bytes", .gauge, help: "Bytes held for clients, to 64 KiB a loop.")
        page.sample([], sum(registry.loops, LoopStatistics.held))
        addRoutes(&page)
        addClusters(&page)
        addEndpoints(&page)
        addHealth(&page)
        let counts = resolver.counts
        page.begin("causeway_dns_lookups_total", .counter, help: "Look-ups of host names that have ended.")
        page.sample([], counts.lookups)
        page.begin("causeway_dns_failures_total", .counter, help: "Look-ups that gave no address.")
        page.sample([], counts.failures)
        let fileCounts = files.counts
        page.begin(
            "causeway_endpoint_file_changes_total", .counter, help: "Times that files of endpoints brought other ones.")
        page.sample([], fileCounts.changes)
        page.begin(
            "causeway_endpoint_files_failing", .gauge, help: "Files of endpoints that are missing or not taken.")
        page.sample([], UInt64(fileCounts.failing))
        page.begin("causeway_handover_failures_total", .counter, help: "Handovers to a new worker that failed.")
        page.sample([], status.handoverFailures)
        ProcessFigures.add(to: &page)
        return page.finish()
    }

    private func addWebSockets(_ page: inout PrometheusText) {
        var closed: UInt64 = 0
        page.begin(
            "causeway_downstream_websockets_closed_total", .counter, help: "WebSockets that are over, by close code.")
        for (index, label) in WebSocketClose.labels.enumerated() {
            let value = sum(registry.loops, LoopStatistics.closeCodes + index)
            closed &+= value
            page.sample([("code", label)], value)
        }
        page.begin("causeway_downstream_websockets_open", .gauge, help: "WebSockets that are open.")
        let opened = sum(registry.loops, LoopMetric.webSocketsOpened.rawValue)
        page.sample([], opened > closed ? opened - closed : 0)
    }

    private func addListeners(_ page: inout PrometheusText) {
        let listeners = registry.listeners()
        let families: [(String, PrometheusText.Kind, String)] = [
            ("causeway_listener_connections_accepted_total", .counter, "Client connections accepted, by listener."),
            ("causeway_listener_connections_open", .gauge, "Client connections that are open, by listener."),
            ("causeway_listener_connections_refused_total", .counter, "Client connections over a limit, by listener."),
            ("causeway_listener_tls_handshakes_total", .counter, "TLS handshakes completed, by listener."),
            ("causeway_listener_tls_failures_total", .counter, "Connections that ended within their TLS handshake."),
            ("causeway_listener_requests_total", .counter, "Requests begun, by listener."),
            (
                "causeway_listener_proxy_failures_total", .counter,
                "Connections of trusted peers that did not begin with a PROXY protocol header."
            ),
        ]
        for (cell, (name, kind, help)) in families.enumerated() {
            page.begin(name, kind, help: help)
            for (listener, blocks) in listeners {
                page.sample([("listener", listener)], Int64(bitPattern: sum(blocks, cell)))
            }
        }
    }

    private func addEndpoints(_ page: inout PrometheusText) {
        let endpoints = registry.endpoints()
        let families: [(String, PrometheusText.Kind, String)] = [
            ("causeway_endpoint_exchanges_total", .counter, "Tries that went to an endpoint."),
            ("causeway_endpoint_failures_total", .counter, "Tries that failed for the endpoint's fault."),
            ("causeway_endpoint_connect_failures_total", .counter, "Connections to an endpoint that failed."),
            ("causeway_endpoint_exchanges_active", .gauge, "Exchanges that an endpoint has, waiting ones included."),
            ("causeway_endpoint_connections_open", .gauge, "Connections to an endpoint, those in the making included."),
        ]
        for (cell, (name, kind, help)) in families.enumerated() {
            page.begin(name, kind, help: help)
            for (key, blocks) in endpoints {
                let labels: PrometheusText.Labels = [("cluster", key.cluster), ("endpoint", key.endpoint)]
                page.sample(labels, Int64(bitPattern: sum(blocks, cell)))
            }
        }
    }

    private func addRoutes(_ page: inout PrometheusText) {
        let routes = registry.routes()
        page.begin("causeway_route_responses_total", .counter, help: "Exchanges by route and class of HTTP status.")
        for (name, blocks) in routes {
            for statusClass in 0..<RouteCounters.classes {
                let value = sum(blocks, statusClass)
                if value > 0 { page.sample([("route", name), ("class", "\(statusClass)xx")], value) }
            }
        }
        page.begin("causeway_route_grpc_responses_total", .counter, help: "gRPC calls by route and gRPC status.")
        for (name, blocks) in routes {
            for status in 0..<RouteCounters.grpcStatuses {
                let value = sum(blocks, RouteCounters.classes + status)
                if value > 0 { page.sample([("route", name), ("grpc_status", "\(status)")], value) }
            }
        }
        page.begin("causeway_route_request_bytes_total", .counter, help: "Body bytes from clients by route.")
        for (name, blocks) in routes { page.sample([("route", name)], sum(blocks, RouteCounters.bytesIn)) }
        page.begin("causeway_route_response_bytes_total", .counter, help: "Body bytes to clients by route.")
        for (name, blocks) in routes { page.sample([("route", name)], sum(blocks, RouteCounters.bytesOut)) }
        page.begin(
            "causeway_route_request_messages_total", .counter, help: "Messages of gRPC and WebSocket clients by route.")
        for (name, blocks) in routes { page.sample([("route", name)], sum(blocks, RouteCounters.messagesIn)) }
        page.begin(
            "causeway_route_response_messages_total", .counter, help: "Messages to gRPC and WebSocket clients by route."
        )
        for (name, blocks) in routes { page.sample([("route", name)], sum(blocks, RouteCounters.messagesOut)) }
        page.begin("causeway_route_duration_seconds", .histogram, help: "From request head to the end of the exchange.")
        for (name, blocks) in routes {
            page.histogram([("route", name)], values(blocks, RouteCounters.histogram), divisor: 1_000_000)
        }
    }

    private func addClusters(_ page: inout PrometheusText) {
        let clusters = registry.clusters()
        page.begin("causeway_cluster_exchanges_total", .counter, help: "Exchanges by cluster.")
        for (name, blocks) in clusters { page.sample([("cluster", name)], sum(blocks, 0)) }
        page.begin("causeway_cluster_failures_total", .counter, help: "Exchanges that failed for the cluster's fault.")
        for (name, blocks) in clusters { page.sample([("cluster", name)], sum(blocks, 1)) }
        page.begin(
            "causeway_cluster_response_seconds", .histogram,
            help: "From a request's head going out to its response's head coming in.")
        for (name, blocks) in clusters {
            page.histogram([("cluster", name)], values(blocks, ClusterCounters.histogram), divisor: 1_000_000)
        }
    }

    private func addHealth(_ page: inout PrometheusText) {
        let rows = health.rows()
        page.begin("causeway_upstream_endpoint_healthy", .gauge, help: "1 while an endpoint's checks find it fit.")
        for row in rows {
            page.sample([("cluster", row.cluster), ("endpoint", row.endpoint)], UInt64(row.isHealthy ? 1 : 0))
        }
        page.begin("causeway_upstream_health_checks_total", .counter, help: "Checks of endpoints by result.")
        for row in rows {
            let labels: PrometheusText.Labels = [("cluster", row.cluster), ("endpoint", row.endpoint)]
            page.sample(labels + [("result", "passed")], row.passed)
            page.sample(labels + [("result", "failed")], row.failed)
        }
    }

    private func values(_ blocks: [CellBlock], _ index: Int) -> HistogramValues {
        var values = HistogramValues(shape: .microseconds)
        for block in blocks { values.add(block.histogram(index, shape: .microseconds)) }
        return values
    }

    /// How many have begun and not ended. Ends are read first: loops go on meanwhile, and none ends before it begins.
    private func difference(_ begun: LoopMetric, _ ended: LoopMetric) -> UInt64 {
        let ends = sum(registry.loops, ended.rawValue)
        let begins = sum(registry.loops, begun.rawValue)
        return begins > ends ? begins - ends : 0
    }

    private func sum(_ blocks: [CellBlock], _ index: Int) -> UInt64 {
        blocks.reduce(0) { $0 &+ $1.value(index) }
    }
}

/// What the worker's own threads know of its state; loops do not touch it.
final class WorkerStatus: Sendable {
    struct Values: Sendable {
        var isServing = false
        var isDraining = false
        /// What is served; nil: nothing yet.
        var snapshot: Snapshot?
        var version: UInt64 { snapshot?.version ?? 0 }
        var bound: [ListenerSocket] = []
        /// All listening sockets, by loop.
        var sockets: [[ListenerSocket]] = []
        var handoverFailures: UInt64 = 0
        var storeFails = false
    }

    private let values = Lock<Values>(Values())

    func read() -> Values { values.withLock { $0 } }
    func update(_ body: (inout Values) -> Void) { values.withLock { body(&$0) } }
}
