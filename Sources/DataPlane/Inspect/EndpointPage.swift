// The worker's answer about endpoints: the views of all loops and the results of checks as one line of JSON for each address.

internal import Telemetry

/// What the loops tell, put together by cluster, endpoint and address.
struct EndpointPage {
    private struct Key: Hashable {
        let cluster: String
        let endpoint: String
        let address: String?
    }

    private struct Entry {
        var view: EndpointWalk.View
        /// Loops that have it aside.
        var asideOn = 0
    }

    private let loops: Int
    private var order: [Key] = []
    private var entries: [Key: Entry] = [:]

    init(loops: Int) {
        self.loops = loops
    }

    mutating func add(_ views: [EndpointWalk.View]) {
        for view in views {
            let key = Key(cluster: view.cluster, endpoint: view.endpoint, address: view.address)
            guard var entry = entries[key] else {
                order.append(key)
                entries[key] = Entry(view: view, asideOn: view.aside == nil ? 0 : 1)
                continue
            }
            entry.view.isHealthy = entry.view.isHealthy && view.isHealthy
            if let aside = view.aside {
                // The longest.
                if aside.left > entry.view.aside?.left ?? 0 { entry.view.aside = aside }
                entry.view.failures = view.failures
                entry.asideOn += 1
            }
            if let share = view.share { entry.view.share = min(share, entry.view.share ?? share) }
            entry.view.active += view.active
            entry.view.connections += view.connections
            entries[key] = entry
        }
    }

    func lines(_ checks: HealthChecker) -> [UInt8] {
        var lines = LineBuffer()
        for key in order {
            guard let entry = entries[key] else { continue }
            let row = key.address.flatMap { checks.row(cluster: key.cluster, endpoint: $0) }
            append(entry, row, to: &lines)
        }
        return lines.withUnsafeBytes { Array($0) }
    }

    private struct Verdict {
        var state: StaticString
        var reason: String?
        /// Milliseconds that it has been so.
        var age: UInt64?
    }

    private func verdict(_ entry: Entry, _ row: HealthChecker.Row?) -> Verdict {
        let view = entry.view
        if view.drains { return Verdict(state: "drained", reason: "it is to be drained: it gets no new requests") }
        if view.address == nil {
            let reason =
                view.endpoint.hasPrefix("file:")
                ? "its file has no endpoint, or could not be read yet" : "its name has no address (yet)"
            return Verdict(state: "unresolved", reason: reason)
        }
        let age = row.map { HealthChecker.now &- min($0.since, HealthChecker.now) }
        if !view.isHealthy {
            return Verdict(state: "unhealthy", reason: row?.failure.map { "its check failed: \($0)" }, age: age)
        }
        if let aside = view.aside {
            let reason =
                entry.asideOn == loops
                ? "\(view.failures) failures in a row"
                : "\(view.failures) failures in a row (on \(entry.asideOn) of \(loops) loops)"
            return Verdict(state: "ejected", reason: reason, age: aside.since)
        }
        guard view.hasChecks else { return Verdict(state: "healthy") }
        guard let row, row.passed + row.failed > 0 else {
            return Verdict(state: "unknown", reason: "no check has ended yet; until then it gets requests")
        }
        return Verdict(state: "healthy", reason: row.failure.map { "its last check failed: \($0)" }, age: age)
    }

    private func append(_ entry: Entry, _ row: HealthChecker.Row?, to line: inout LineBuffer) {
        let verdict = verdict(entry, row)
        line.append("{\"cluster\":")
        line.append(json: entry.view.cluster)
        line.append(",\"endpoint\":")
        line.append(json: entry.view.endpoint)
        line.append(",\"address\":")
        append(entry.view.address, to: &line)
        line.append(",\"state\":\"")
        line.append(verdict.state)
        line.append("\",\"reason\":")
        append(verdict.reason, to: &line)
        line.append(",\"since_ms\":")
        append(verdict.age, to: &line)
        line.append(",\"ejected_ms\":")
        append(entry.view.aside?.left, to: &line)
        line.append(",\"share\":")
        append(entry.view.share.map { UInt64(clamping: $0) }, to: &line)
        line.append(entry.view.panics ? ",\"panics\":true" : ",\"panics\":false")
        line.append(",\"active\":")
        line.append(decimal: UInt64(clamping: entry.view.active))
        line.append(",\"connections\":")
        line.append(decimal: UInt64(clamping: entry.view.connections))
        line.append("}\n")
    }

    private func append(_ text: String?, to line: inout LineBuffer) {
        if let text { line.append(json: text) } else { line.append("null") }
    }

    private func append(_ number: UInt64?, to line: inout LineBuffer) {
        if let number { line.append(decimal: number) } else { line.append("null") }
    }
}
