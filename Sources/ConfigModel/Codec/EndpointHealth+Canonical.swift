// The fields of health checks and ejection in canonical order. A number, once used, keeps its meaning for ever.

extension HealthCheck: CanonicalCodable {
    func write(to writer: inout CanonicalWriter) {
        writer.required(1, kind)
        writer.integer(2, interval, default: 5_000)
        writer.integer(3, timeout, default: 2_000)
        writer.integer(4, unhealthyThreshold, default: 3)
        writer.integer(5, healthyThreshold, default: 2)
        writer.string(6, path)
        writer.optional(7, host)
        writer.list(8, statuses)
        writer.string(9, service)
    }

    init(from reader: inout CanonicalReader) throws(CanonicalCodingError) {
        self.init(
            try reader.required(1), interval: try reader.integer(2, default: 5_000),
            timeout: try reader.integer(3, default: 2_000), unhealthyThreshold: try reader.integer(4, default: 3),
            healthyThreshold: try reader.integer(5, default: 2), path: try reader.string(6),
            host: try reader.optional(7), statuses: try reader.list(8), service: try reader.string(9))
    }
}

extension StatusRange: CanonicalCodable {
    func write(to writer: inout CanonicalWriter) {
        writer.integer(1, low)
        writer.integer(2, high)
    }

    init(from reader: inout CanonicalReader) throws(CanonicalCodingError) {
        self.init(try reader.integer(1), try reader.integer(2))
    }
}

extension Ejection: CanonicalCodable {
    func write(to writer: inout CanonicalWriter) {
        writer.integer(1, failures, default: 5)
        writer.integer(2, baseTime, default: 10_000)
        writer.integer(3, maxTime, default: 300_000)
        writer.integer(4, maxPercent, default: 50)
        writer.bool(5, countsResponses)
    }

    init(from reader: inout CanonicalReader) throws(CanonicalCodingError) {
        self.init(
            failures: try reader.integer(1, default: 5), baseTime: try reader.integer(2, default: 10_000),
            maxTime: try reader.integer(3, default: 300_000), maxPercent: try reader.integer(4, default: 50),
            countsResponses: try reader.bool(5))
    }
}
