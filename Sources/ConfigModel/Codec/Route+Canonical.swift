// The fields of a route and of its parts in canonical order. A number, once used, keeps its meaning for ever.

extension Route: CanonicalCodable {
    func write(to writer: inout CanonicalWriter) {
        writer.string(1, name)
        writer.strings(2, virtualHosts)
        writer.integer(3, order)
        writer.required(4, path)
        writer.strings(5, methods)
        writer.list(6, headers)
        writer.list(7, queryParameters)
        writer.list(8, destinations)
        writer.choice(9, kind, default: .http)
        writer.defaulted(10, timeouts)
        writer.defaulted(11, streamPolicy)
        writer.optional(12, rewrite)
        writer.defaulted(13, filters)
        writer.optional(14, balancing)
        writer.optional(15, retries)
        writer.optional(16, fallback)
        writer.list(17, errorStatuses)
    }

    init(from reader: inout CanonicalReader) throws(CanonicalCodingError) {
        self.init(
            name: try reader.string(1), virtualHosts: try reader.strings(2), order: try reader.integer(3),
            path: try reader.required(4), methods: try reader.strings(5), headers: try reader.list(6),
            queryParameters: try reader.list(7), destinations: try reader.list(8),
            kind: try reader.choice(9, default: .http), timeouts: try reader.defaulted(10, RouteTimeouts()),
            streamPolicy: try reader.defaulted(11, .keep), rewrite: try reader.optional(12),
            filters: try reader.defaulted(13, RouteFilters()),
            balancing: try reader.optional(14), retries: try reader.optional(15),
            fallback: try reader.optional(16), errorStatuses: try reader.list(17))
    }
}

extension PathPredicate: CanonicalCodable {
    func write(to writer: inout CanonicalWriter) {
        writer.required(1, kind)
        writer.string(2, value)
        writer.bool(3, caseSensitive, default: true)
    }

    init(from reader: inout CanonicalReader) throws(CanonicalCodingError) {
        self.init(
            kind: try reader.required(1), value: try reader.string(2),
            caseSensitive: try reader.bool(3, default: true))
    }
}

extension KeyedPredicate: CanonicalCodable {
    func write(to writer: inout CanonicalWriter) {
        writer.string(1, key)
        writer.required(2, kind)
        writer.string(3, value)
    }

    init(from reader: inout CanonicalReader) throws(CanonicalCodingError) {
        self.init(key: try reader.string(1), kind: try reader.required(2), value: try reader.string(3))
    }
}

extension Destination: CanonicalCodable {
    func write(to writer: inout CanonicalWriter) {
        writer.string(1, cluster)
        writer.integer(2, weight, default: 100)
    }

    init(from reader: inout CanonicalReader) throws(CanonicalCodingError) {
        self.init(cluster: try reader.string(1), weight: try reader.integer(2, default: 100))
    }
}

extension RouteTimeouts: CanonicalCodable {
    func write(to writer: inout CanonicalWriter) {
        writer.optional(1, responseHeaders)
        writer.optional(2, streamIdle)
        writer.optional(3, total)
        writer.optional(4, connect)
        writer.optional(5, send)
    }

    init(from reader: inout CanonicalReader) throws(CanonicalCodingError) {
        self.init(
            responseHeaders: try reader.optional(1), streamIdle: try reader.optional(2),
            total: try reader.optional(3), connect: try reader.optional(4), send: try reader.optional(5))
    }
}

extension StreamPolicy: CanonicalCodable {
    /// `keep` writes nothing and so is left out by the route.
    func write(to writer: inout CanonicalWriter) {
        switch self {
        case .keep: break
        case .drain(let time): writer.optional(1, time)
        case .close: writer.bool(2, true)
        }
    }

    init(from reader: inout CanonicalReader) throws(CanonicalCodingError) {
        let time: UInt32? = try reader.optional(1)
        guard let time else {
            self = try reader.bool(2) ? .close : .keep
            return
        }
        self = .drain(time)
    }
}

extension Rewrite: CanonicalCodable {
    func write(to writer: inout CanonicalWriter) {
        writer.optional(1, path)
        writer.optional(2, authority)
    }

    init(from reader: inout CanonicalReader) throws(CanonicalCodingError) {
        self.init(path: try reader.optional(1), authority: try reader.optional(2))
    }
}

extension RetryPolicy: CanonicalCodable {
    func write(to writer: inout CanonicalWriter) {
        writer.integer(1, attempts, default: 3)
        writer.integer(2, tryTimeout)
        writer.integer(3, conditions.rawValue, default: UInt64(Self.defaultConditions.rawValue))
    }

    init(from reader: inout CanonicalReader) throws(CanonicalCodingError) {
        self.init(
            attempts: try reader.integer(1, default: 3), tryTimeout: try reader.integer(2),
            conditions: RetryConditions(
                rawValue: try reader.integer(3, default: Self.defaultConditions.rawValue)))
    }

    private static var defaultConditions: RetryConditions { [.error, .timeout] }
}
