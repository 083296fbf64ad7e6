// Reads what charts need out of a worker's metrics page, one pass over the bytes. The page is another process's word: a line
// that is not understood is passed over, and a number that is none counts as nothing.

import Foundation

/// What a worker's page said at one moment: counters since the worker's start, and gauges.
package struct WorkerReading: Sendable {
    package var whole = TrafficCounters()
    package var routes: [String: TrafficCounters] = [:]
    package var gauges = TrafficGauges()
    /// Seconds since 1970; 0: the page does not say.
    package var startedAt = 0.0

    package init() {}

    package init(page: [UInt8]) {
        page.withUnsafeBufferPointer { bytes in
            var rest = bytes[...]
            while !rest.isEmpty {
                let end = rest.firstIndex(of: UInt8(ascii: "\n")) ?? rest.endIndex
                take(rest[rest.startIndex..<end])
                rest = rest[min(end + 1, rest.endIndex)...]
            }
        }
    }

    private mutating func take(_ line: Slice<UnsafeBufferPointer<UInt8>>) {
        // Comments, and what belongs to clusters, endpoints and listeners, which is most of a large page.
        guard let kind = line.dropFirst(Self.prefix).first, line.first != UInt8(ascii: "#"),
            Self.kinds.contains(kind), let space = line.lastIndex(of: UInt8(ascii: " ")),
            let value = Double(String(decoding: line[(space + 1)...], as: UTF8.self)), value.isFinite, value >= 0
        else { return }
        let nameEnd = line.firstIndex { $0 == UInt8(ascii: "{") || $0 == UInt8(ascii: " ") } ?? space
        let name = String(decoding: line[line.startIndex..<nameEnd], as: UTF8.self)
        let count = UInt64(min(value, 9e18))
        switch name {
        case "causeway_downstream_requests_total": whole.requests = count
        case "causeway_downstream_received_bytes_total": whole.bytesIn = count
        case "causeway_downstream_sent_bytes_total": whole.bytesOut = count
        case "causeway_downstream_connections_open": gauges.connections = count
        case "causeway_downstream_exchanges_active": gauges.streams = count
        case "causeway_downstream_websockets_open": gauges.webSockets = count
        case "process_start_time_seconds": startedAt = value
        case "causeway_errors_total":
            if let flag = Self.labels(line[nameEnd..<space])["flag"] { whole.errors[flag, default: 0] &+= count }
        case _ where name.hasPrefix("causeway_route_"):
            takeRoute(name, Self.labels(line[nameEnd..<space]), count)
        default: break
        }
    }

    private mutating func takeRoute(_ name: String, _ labels: [String: String], _ count: UInt64) {
        guard let route = labels["route"] else { return }
        if name == "causeway_route_responses_total" {
            guard count > 0, let statusClass = labels["class"] else { return }
            routes[route, default: TrafficCounters()].requests &+= count
            routes[route]?.classes[statusClass] = count
            whole.classes[statusClass, default: 0] &+= count
            return
        }
        // The responses stand first on the page: a route without any has nothing to tell.
        guard routes[route] != nil else { return }
        switch name {
        case "causeway_route_grpc_responses_total":
            guard let status = labels["grpc_status"] else { return }
            routes[route]?.grpc[status] = count
            whole.grpc[status, default: 0] &+= count
        case "causeway_route_request_bytes_total": routes[route]?.bytesIn = count
        case "causeway_route_response_bytes_total": routes[route]?.bytesOut = count
        case "causeway_route_duration_seconds_bucket":
            guard let bound = labels["le"].flatMap(Double.init) else { return }
            routes[route]?.durations.cumulative(count, upTo: bound)
        default: break
        }
    }

    private static let prefix = "causeway_".utf8.count
    /// First letters of `downstream`, `errors` and `route` after the prefix, and of `process_start_time`'s tenth letter.
    private static let kinds: Set<UInt8> = [UInt8(ascii: "d"), UInt8(ascii: "e"), UInt8(ascii: "r"), UInt8(ascii: "t")]

    /// `{name="value",…}` with the escapes of Prometheus text.
    private static func labels(_ text: Slice<UnsafeBufferPointer<UInt8>>) -> [String: String] {
        var labels: [String: String] = [:]
        var rest = text.dropFirst()
        while let equals = rest.firstIndex(of: UInt8(ascii: "=")) {
            let name = String(decoding: rest[rest.startIndex..<equals], as: UTF8.self)
            var value: [UInt8] = []
            var index = equals + 2
            while index < rest.endIndex, rest[index] != UInt8(ascii: "\"") {
                if rest[index] == UInt8(ascii: "\\"), index + 1 < rest.endIndex {
                    index += 1
                    value.append(rest[index] == UInt8(ascii: "n") ? UInt8(ascii: "\n") : rest[index])
                } else {
                    value.append(rest[index])
                }
                index += 1
            }
            labels[name] = String(decoding: value, as: UTF8.self)
            // Past the quote and the comma.
            rest = rest[min(index + 2, rest.endIndex)...]
        }
        return labels
    }
}
