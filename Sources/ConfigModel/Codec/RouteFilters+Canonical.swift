// The fields of filters and consumers in canonical order. A number, once used, keeps its meaning for ever.

import Seal

extension RouteFilters: CanonicalCodable {
    func write(to writer: inout CanonicalWriter) {
        writer.optional(1, access)
        writer.optional(2, cors)
        writer.optional(3, redirect)
        writer.optional(4, authentication)
        writer.optional(5, rateLimit)
        writer.optional(6, directResponse)
        writer.optional(7, requestHeaders)
        writer.optional(8, responseHeaders)
        writer.optional(9, mirror)
        writer.bool(10, httpsOnly)
        writer.optional(11, affinity)
        writer.optional(12, concurrencyLimit)
        writer.optional(13, webSocketLimits)
    }

    init(from reader: inout CanonicalReader) throws(CanonicalCodingError) {
        self.init()
        access = try reader.optional(1)
        cors = try reader.optional(2)
        redirect = try reader.optional(3)
        authentication = try reader.optional(4)
        rateLimit = try reader.optional(5)
        directResponse = try reader.optional(6)
        requestHeaders = try reader.optional(7)
        responseHeaders = try reader.optional(8)
        mirror = try reader.optional(9)
        httpsOnly = try reader.bool(10)
        affinity = try reader.optional(11)
        concurrencyLimit = try reader.optional(12)
        webSocketLimits = try reader.optional(13)
    }
}

extension WebSocketLimits: CanonicalCodable {
    func write(to writer: inout CanonicalWriter) {
        writer.integer(1, maxFrameSize)
        writer.integer(2, maxMessageSize)
    }

    init(from reader: inout CanonicalReader) throws(CanonicalCodingError) {
        self.init(maxFrameSize: try reader.integer(1), maxMessageSize: try reader.integer(2))
    }
}

extension ConcurrencyLimit: CanonicalCodable {
    func write(to writer: inout CanonicalWriter) {
        writer.integer(1, max)
        writer.bool(2, perAddress)
    }

    init(from reader: inout CanonicalReader) throws(CanonicalCodingError) {
        self.init(max: try reader.integer(1), perAddress: try reader.bool(2))
    }
}

extension CookieAffinity: CanonicalCodable {
    func write(to writer: inout CanonicalWriter) {
        writer.string(1, name)
        writer.string(2, path)
        writer.optional(3, maxAge)
        writer.optional(4, expires)
        writer.bool(5, isPersistent)
        writer.bool(6, coversDestinations, default: true)
    }

    init(from reader: inout CanonicalReader) throws(CanonicalCodingError) {
        self.init(
            name: try reader.string(1), path: try reader.string(2), maxAge: try reader.optional(3),
            expires: try reader.optional(4), isPersistent: try reader.bool(5),
            coversDestinations: try reader.bool(6, default: true))
    }
}

extension AddressAccess: CanonicalCodable {
    func write(to writer: inout CanonicalWriter) {
        writer.strings(1, allow)
        writer.strings(2, deny)
    }

    init(from reader: inout CanonicalReader) throws(CanonicalCodingError) {
        self.init(allow: try reader.strings(1), deny: try reader.strings(2))
    }
}

extension CORSPolicy: CanonicalCodable {
    func write(to writer: inout CanonicalWriter) {
        writer.strings(1, origins)
        writer.strings(2, methods)
        writer.strings(3, headers)
        writer.strings(4, exposed)
        writer.optional(5, maxAge)
        writer.bool(6, credentials)
    }

    init(from reader: inout CanonicalReader) throws(CanonicalCodingError) {
        self.init(
            origins: try reader.strings(1), methods: try reader.strings(2), headers: try reader.strings(3),
            exposed: try reader.strings(4), maxAge: try reader.optional(5), credentials: try reader.bool(6))
    }
}

extension Redirect: CanonicalCodable {
    func write(to writer: inout CanonicalWriter) {
        writer.integer(1, status)
        writer.string(2, location)
        writer.bool(3, rootOnly)
    }

    init(from reader: inout CanonicalReader) throws(CanonicalCodingError) {
        self.init(status: try reader.integer(1), location: try reader.string(2), rootOnly: try reader.bool(3))
    }
}

extension RouteAuthentication: CanonicalCodable {
    func write(to writer: inout CanonicalWriter) {
        writer.bool(1, kinds.contains(.key))
        writer.bool(2, kinds.contains(.basic))
        writer.strings(3, consumers)
        // Both others mean all, as they did before there were tokens: such a route is the same to a worker of any age.
        writer.bool(4, kinds.contains(.token), default: kinds.contains(.key) && kinds.contains(.basic))
    }

    init(from reader: inout CanonicalReader) throws(CanonicalCodingError) {
        var kinds: [CredentialKind] = []
        if try reader.bool(1) { kinds.append(.key) }
        if try reader.bool(2) { kinds.append(.basic) }
        let consumers = try reader.strings(3)
        if try reader.bool(4, default: kinds.count == 2) { kinds.append(.token) }
        self.init(kinds: kinds, consumers: consumers)
    }
}

extension RateLimit: CanonicalCodable {
    func write(to writer: inout CanonicalWriter) {
        writer.integer(1, requests)
        writer.integer(2, period, default: 1_000)
        writer.integer(3, burst)
        writer.bool(4, perAddress)
    }

    init(from reader: inout CanonicalReader) throws(CanonicalCodingError) {
        self.init(
            requests: try reader.integer(1), period: try reader.integer(2, default: 1_000),
            burst: try reader.integer(3), perAddress: try reader.bool(4))
    }
}

extension DirectResponse: CanonicalCodable {
    func write(to writer: inout CanonicalWriter) {
        writer.integer(1, status)
        writer.string(2, body)
        writer.string(3, contentType)
    }

    init(from reader: inout CanonicalReader) throws(CanonicalCodingError) {
        self.init(status: try reader.integer(1), body: try reader.string(2), contentType: try reader.string(3))
    }
}

extension HeaderEdits: CanonicalCodable {
    func write(to writer: inout CanonicalWriter) {
        writer.strings(1, remove)
        writer.list(2, set)
        writer.list(3, add)
    }

    init(from reader: inout CanonicalReader) throws(CanonicalCodingError) {
        self.init(remove: try reader.strings(1), set: try reader.list(2), add: try reader.list(3))
    }
}

extension HeaderValue: CanonicalCodable {
    func write(to writer: inout CanonicalWriter) {
        writer.string(1, name)
        writer.string(2, value)
    }

    init(from reader: inout CanonicalReader) throws(CanonicalCodingError) {
        self.init(name: try reader.string(1), value: try reader.string(2))
    }
}

extension Mirror: CanonicalCodable {
    func write(to writer: inout CanonicalWriter) {
        writer.string(1, cluster)
        writer.integer(2, share, default: 10_000)
    }

    init(from reader: inout CanonicalReader) throws(CanonicalCodingError) {
        self.init(cluster: try reader.string(1), share: try reader.integer(2, default: 10_000))
    }
}

extension Consumer: CanonicalCodable {
    func write(to writer: inout CanonicalWriter) {
        writer.string(1, name)
        writer.list(2, credentials)
        writer.list(3, tokens)
    }

    init(from reader: inout CanonicalReader) throws(CanonicalCodingError) {
        self.init(name: try reader.string(1), credentials: try reader.list(2), tokens: try reader.list(3))
    }
}

extension Credential: CanonicalCodable {
    func write(to writer: inout CanonicalWriter) {
        writer.required(1, source)
        writer.string(2, key)
        writer.hash(3, hash)
    }

    init(from reader: inout CanonicalReader) throws(CanonicalCodingError) {
        self.init(source: try reader.required(1), key: try reader.string(2), hash: try reader.hash(3))
    }
}
