// What the worker tells about itself in Prometheus text: the cells of all loops, added up.

internal import Synchronization
internal import Telemetry

struct MetricsPage {
    let registry: MetricsRegistry
    let status: WorkerStatus
    let health: HealthChecker
    let resolver: Resolver

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
        page.begin(
            "causeway_downstream_connections_open", .gauge, help: "Client connections that are open.")
        page.sample(
            [],
            sum(registry.loops, LoopMetric.connectionsOpened.rawValue)
                &- sum(registry.loops, LoopMetric.connectionsClosed.rawValue))
        page.begin("causeway_downstream_exchanges_active", .gauge, help: "Requests and streams that are open.")
        page.sample(
            [],
            sum(registry.loops, LoopMetric.requests.rawValue)
                &- sum(registry.loops, LoopMetric.exchangesEnded.rawValue))
        page.begin("causeway_errors_total", .counter, help: "Exchanges that the gateway answered or ended, by flag.")
        for error in ProxyError.allCases {
            let value = sum(registry.loops, LoopStatistics.errors + Int(error.rawValue))
            page.sample([("flag", "\(error.row.flag)"), ("kind", "\(error)")], value)
        }
        addWebSockets(&page)
        addRoutes(&page)
        addClusters(&page)
        addHealth(&page)
        let counts = resolver.counts
        page.begin("causeway_dns_lookups_total", .counter, help: "Look-ups of host names that have ended.")
        page.sample([], counts.lookups)
        page.begin("causeway_dns_failures_total", .counter, help: "Look-ups that gave no address.")
        page.sample([], counts.failures)
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
            var values = HistogramValues(shape: .microseconds)
            for block in blocks { values.add(block.histogram(RouteCounters.histogram, shape: .microseconds)) }
            page.histogram([("route", name)], values, divisor: 1_000_000)
        }
    }

    private func addClusters(_ page: inout PrometheusText) {
        let clusters = registry.clusters()
        page.begin("causeway_cluster_exchanges_total", .counter, help: "Exchanges by cluster.")
        for (name, blocks) in clusters { page.sample([("cluster", name)], sum(blocks, 0)) }
        page.begin("causeway_cluster_failures_total", .counter, help: "Exchanges that failed for the cluster's fault.")
        for (name, blocks) in clusters { page.sample([("cluster", name)], sum(blocks, 1)) }
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

    private func sum(_ blocks: [CellBlock], _ index: Int) -> UInt64 {
        blocks.reduce(0) { $0 &+ $1.value(index) }
    }
}

/// What the worker's own threads know of its state; loops do not touch it.
final class WorkerStatus: Sendable {
    struct Values: Sendable {
        var isServing = false
        var isDraining = false
        var version: UInt64 = 0
        var bound: [ListenerSocket] = []
    }

    private let values = Mutex<Values>(Values())

    func read() -> Values { values.withLock { $0 } }
    func update(_ body: (inout Values) -> Void) { values.withLock { body(&$0) } }
}
