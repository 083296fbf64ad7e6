// The control plane's own metrics page. Labels come from the API's paths and from the workers' states, never from requests.

import HTTPTypes
import Hummingbird
import NIOCore
import Persistence
import Telemetry

/// Makes the page of `GET /metrics`.
struct ControlMetrics: Sendable {
    let store: Store
    let publisher: Publisher
    let alerts: AlertWatch
    let counts: RequestCounts
    private let firstVersion: UInt64

    init(store: Store, publisher: Publisher, alerts: AlertWatch, counts: RequestCounts) {
        self.store = store
        self.publisher = publisher
        self.alerts = alerts
        self.counts = counts
        firstVersion = store.configuration.version
    }

    private struct Serving: Hashable {
        var state: String
        var version: String
    }

    func text() async throws -> [UInt8] {
        let version = store.configuration.version
        let kept = try await store.versionCount()
        let sessions = try await store.sessions(ofAccount: nil, now: WallClock.milliseconds()).count
        let workers = Dictionary(
            await publisher.report().map {
                (Serving(state: $0.state, version: $0.servedVersion.map { String($0) } ?? ""), UInt64(1))
            },
            uniquingKeysWith: +)
        let latency = publisher.latency.read()

        var page = PrometheusText()
        page.begin("causeway_control_requests_total", .counter, help: "Requests to the API by path as the API has it.")
        for (key, count) in counts.all {
            page.sample([("method", key.method), ("path", key.path), ("status", String(key.status))], count)
        }
        page.begin("causeway_control_version", .gauge, help: "The version that is stored.")
        page.sample([], version)
        page.begin("causeway_control_versions_kept", .gauge, help: "Versions that can be brought back.")
        page.sample([], UInt64(kept))
        page.begin("causeway_control_writes_total", .counter, help: "Versions saved since the start.")
        page.sample([], version - min(firstVersion, version))
        page.begin(
            "causeway_control_publish_seconds", .histogram,
            help: "From the publish of a version to a worker's word that it is live.")
        page.histogram([], latency, divisor: 1_000_000)
        page.begin("causeway_control_workers", .gauge, help: "Connected workers by state and served version.")
        for (serving, count) in workers.sorted(by: { $0.key.state < $1.key.state }) {
            page.sample([("state", serving.state), ("version", serving.version)], count)
        }
        page.begin("causeway_control_sessions", .gauge, help: "Sessions that have not run out.")
        page.sample([], UInt64(sessions))
        page.begin("causeway_control_store_bytes", .gauge, help: "Size of the database's files.")
        for (file, size) in store.fileSizes { page.sample([("file", file)], size) }
        page.begin("causeway_control_store_busy_total", .counter, help: "Refused as another process had the database.")
        page.sample([], Store.busyCount)
        await addAlerts(to: &page)
        ProcessFigures.add(to: &page)
        return page.finish()
    }
}

extension ControlMetrics {
    private struct Kind: Hashable {
        var name: String
        var severity: String
    }

    /// More certificates have no line of their own: those that end first have.
    private static let mostCertificates = 1_000

    private func addAlerts(to page: inout PrometheusText) async {
        let kinds = Dictionary(
            await alerts.alerts().map {
                (Kind(name: $0.alert.key.name, severity: $0.alert.severity.rawValue), UInt64(1))
            },
            uniquingKeysWith: +)
        page.begin("causeway_control_alerts", .gauge, help: "Alerts that go on (GET /v1/alerts).")
        for (kind, count) in kinds.sorted(by: { ($0.key.name, $0.key.severity) < ($1.key.name, $1.key.severity) }) {
            page.sample([("alert", kind.name), ("severity", kind.severity)], count)
        }
        if let deliveries = await alerts.deliveries {
            page.begin("causeway_control_alert_messages_total", .counter, help: "Messages to the webhook of alerts.")
            page.sample([("outcome", "delivered")], deliveries.succeeded)
            page.sample([("outcome", "failed")], deliveries.failed)
        }
        page.begin(
            "causeway_control_certificate_expiry_timestamp_seconds", .gauge,
            help: "End of a stored certificate or of one in its chain, of those that end first.")
        let ends = store.configuration.certificates.values.map { ($0.value.facts.wholeExpiry, $0.value.name) }
        for (end, name) in ends.sorted(by: <).prefix(Self.mostCertificates) {
            page.sample([("certificate", name)], UInt64(max(end, 0)))
        }
    }
}

/// The page, for those who may see it.
struct MetricsController: Sendable {
    let page: ControlMetrics

    func addRoutes(to group: RouterGroup<AdminContext>) {
        group.get(use: show)
    }

    private func show(_ request: Request, context: AdminContext) async throws -> Response {
        Response(
            status: .ok, headers: [.contentType: PrometheusText.contentType, .cacheControl: "no-store"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: try await page.text())))
    }
}
