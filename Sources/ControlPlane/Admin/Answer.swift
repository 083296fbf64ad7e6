// The shapes of successful answers: raw objects on writes, an envelope on reads, pages for lists, as Higress's clients
// expect them, with `warnings` where there are any.

import ConsoleModel
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import Persistence

extension Response {
    static func json(_ value: some Encodable, status: HTTPResponse.Status = .ok) throws -> Response {
        let bytes = try ConsoleJSON.encode(value)
        return Response(
            status: status,
            headers: [.contentType: "application/json; charset=utf-8", .cacheControl: "no-store"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
    }

    /// 404 without a body: how a GET says that there is no such object.
    static var missing: Response { Response(status: .notFound) }
}

/// An object with who uses it, where that is told, and the warnings about it; none are written when there are none.
struct Remarked<Value: Encodable>: Encodable {
    var value: Value
    var usage: Usage?
    var warnings: [String] = []

    private enum Key: CodingKey {
        case warnings
    }

    func encode(to encoder: any Encoder) throws {
        try value.encode(to: encoder)
        try usage?.encode(to: encoder)
        if !warnings.isEmpty {
            var container = encoder.container(keyedBy: Key.self)
            try container.encode(warnings, forKey: .warnings)
        }
    }
}

/// `{"success":true,"message":null,"data":…}`.
struct Envelope<Value: Encodable>: Encodable {
    var success = true
    var data: Value?
    var warnings: [String] = []

    init(_ data: Value?, warnings: [String] = []) {
        self.data = data
        self.warnings = warnings
    }

    private enum Key: CodingKey {
        case success, message, data, warnings
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(success, forKey: .success)
        try container.encodeNil(forKey: .message)
        try container.encode(data, forKey: .data)
        if !warnings.isEmpty { try container.encode(warnings, forKey: .warnings) }
    }
}

/// One page of a list, in the envelope.
struct Page<Value: Encodable>: Encodable {
    var items: [Value]
    var total: Int
    var request: PageRequest
    var warnings: [String] = []

    private enum Key: CodingKey {
        case success, message, data, total, pageNum, pageSize, warnings
    }

    /// Cuts the page out of the whole list; what lies past the end is empty.
    init<Item>(of all: [Item], _ request: PageRequest, _ transform: (Item) throws -> Value) rethrows {
        items = try all[request.range(of: all.count)].map(transform)
        total = all.count
        self.request = request
    }

    /// A page that was read as a page.
    init(items: [Value], total: Int, _ request: PageRequest) {
        self.items = items
        self.total = total
        self.request = request
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(true, forKey: .success)
        try container.encodeNil(forKey: .message)
        try container.encode(items, forKey: .data)
        try container.encode(total, forKey: .total)
        try container.encode(request.number, forKey: .pageNum)
        try container.encode(request.size, forKey: .pageSize)
        if !warnings.isEmpty { try container.encode(warnings, forKey: .warnings) }
    }
}

/// What there was at one moment, cut at `limit`: workers are asked for it, so that it has no pages.
struct Sample: Encodable {
    var success = true
    var data: [JSONValue]
    var total: Int
    /// There are more than `limit`.
    var more: Bool
    var warnings: [String]?

    init(_ data: [JSONValue], more: Bool, warnings: [String]) {
        self.data = data
        total = data.count
        self.more = more
        self.warnings = warnings.isEmpty ? nil : warnings
    }
}

/// `pageNum` and `pageSize` of a request. Neither: everything; one: the other has its default.
package struct PageRequest: Hashable, Sendable {
    package private(set) var number: Int?
    package private(set) var size: Int?

    package init(number: Int? = nil, size: Int? = nil) {
        guard number != nil || size != nil else { return }
        self.number = max(number ?? 1, 1)
        self.size = max(size ?? 10, 1)
    }

    init(_ request: Request) throws(Problem) {
        self.init(number: try request.integer("pageNum"), size: try request.integer("pageSize"))
    }

    /// The part of a list of `count` items.
    package func range(of count: Int) -> Range<Int> {
        guard let number, let size else { return 0..<count }
        let (start, overflow) = (number - 1).multipliedReportingOverflow(by: size)
        let first = overflow ? count : min(start, count)
        return first..<(first + min(size, count - first))
    }
}

/// Times as answers tell them and queries give them. Milliseconds are not trusted to floating point: what was told can be
/// asked for.
package enum Timestamp {
    private static let style = Date.ISO8601FormatStyle()

    /// RFC 3339 in UTC, of Unix milliseconds.
    package static func text(_ milliseconds: Int64) -> String {
        let seconds = milliseconds >= 0 ? milliseconds / 1_000 : (milliseconds - 999) / 1_000
        let rest = String(milliseconds - seconds * 1_000)
        let whole = style.format(Date(timeIntervalSince1970: Double(seconds))).dropLast()
        return "\(whole).\(String(repeating: "0", count: 3 - rest.count))\(rest)Z"
    }

    /// Unix milliseconds of RFC 3339, with or without fractions; `nil`: it is none.
    package static func milliseconds(_ text: some StringProtocol) -> Int64? {
        var whole = String(text)
        var fraction: Int64 = 0
        if let dot = whole.firstIndex(of: ".") {
            let digits = whole[whole.index(after: dot)...].prefix { $0.isASCII && $0.isNumber }
            guard !digits.isEmpty, let value = Int64((digits + "00").prefix(3)) else { return nil }
            fraction = value
            whole.removeSubrange(dot..<digits.endIndex)
        }
        guard let date = try? style.parse(whole) else { return nil }
        return Int64(date.timeIntervalSince1970.rounded()) * 1_000 + fraction
    }
}

extension Request {
    /// Text of the query; `nil` when absent or empty.
    func text(_ name: String) -> String? {
        uri.queryParameters[name[...]].flatMap { $0.isEmpty ? nil : String($0) }
    }

    /// `true` or `false` of the query.
    func flag(_ name: String) throws(Problem) -> Bool {
        switch text(name) {
        case nil, "false": return false
        case "true": return true
        default: throw .invalidQuery(name, "Must be true or false.")
        }
    }

    /// A time of the query, as Unix milliseconds.
    func time(_ name: String) throws(Problem) -> Int64? {
        guard let text = text(name) else { return nil }
        guard let value = Timestamp.milliseconds(text) else {
            throw .invalidQuery(name, "Must be a time as in 2026-01-31T12:00:00Z.")
        }
        return value
    }

    /// `limit` of the query; 100 when absent or empty.
    func limit(most: Int) throws(Problem) -> Int {
        let limit = try integer("limit") ?? 100
        guard (1...most).contains(limit) else { throw .invalidQuery("limit", "Must be between 1 and \(most).") }
        return limit
    }

    /// A whole number of the query; `nil` when absent or empty.
    func integer(_ name: String) throws(Problem) -> Int? {
        guard let text = uri.queryParameters[name[...]], !text.isEmpty else { return nil }
        guard let value = Int(text) else { throw .invalidQuery(name, "Must be a whole number.") }
        return value
    }
}
