// One route, compiled: its record with all texts in one block, and the patterns that the record points to. It is made when the
// route's object changes and shared by every table until then, by all virtual hosts that have the route.

package import ConfigModel

/// Why a route cannot be compiled.
struct RouteProblem: Error {
    let field: String
    let reason: String
}

/// A compiled route. It may be kept beyond its table: what it tells stays true.
///
/// Unchecked: the block is written in `init` only, and RE2 patterns may be shared between threads.
package final class CompiledRoute: @unchecked Sendable {
    let object: SnapshotObject
    let record: RoutePointer
    private let memory: UnsafeMutableRawPointer
    private let patterns: [RegularExpression]

    package var slot: Int { record.pointee.slot }

    package var route: Route {
        guard case .route(let route) = object.object else { preconditionFailure("made from a route") }
        return route
    }

    /// `route` is that of the object.
    init(_ object: SnapshotObject, _ route: Route, slot: Int) throws(RouteProblem) {
        var compiler = RouteCompiler()
        let parts = try compiler.parts(of: route)
        self.object = object
        patterns = compiler.patterns
        (record, memory) = parts.laidOut(slot: slot)
    }

    deinit { memory.deallocate() }

    /// Whether the upstream sees another path.
    package var rewritesPath: Bool { record.pointee.rewrite != nil }

    /// Bytes that no path is longer than that the upstream sees in place of one of `count` bytes.
    package func longestRewrite(of count: Int) -> Int { record.pointee.rewrite?.longest(of: count) ?? count }

    /// Writes the path that the upstream sees; `nil`: the route leaves the path alone.
    ///
    /// Returns the length of the new path. If it exceeds the buffer, the buffer holds nothing useful: call again with one
    /// that is large enough.
    package func rewrittenPath(
        of path: UnsafeRawBufferPointer, into buffer: UnsafeMutableRawBufferPointer
    ) -> Int? {
        record.pointee.rewrite?.rewrite(path, into: buffer)
    }
}

/// Turns a route into what its record will hold.
private struct RouteCompiler {
    var patterns: [RegularExpression] = []

    mutating func parts(of route: Route) throws(RouteProblem) -> RouteParts {
        var parts = RouteParts(kind: PathKind(route.path.kind), caseSensitive: route.path.caseSensitive)
        parts.path = Array(route.path.value.utf8)
        var regex: RegularExpression?
        if parts.kind == .prefix, parts.path.last == 0x2f { parts.path.removeLast() }
        if parts.kind == .regex {
            let compiled = try compile(route.path.value, caseSensitive: route.path.caseSensitive, field: "path.value")
            regex = compiled
            parts.path = compiled.literalPrefix
            parts.regex = compiled.handle
        } else if !route.path.caseSensitive {
            parts.path = parts.path.map(FoldedBytes.fold)
        }
        parts.methods = route.methods.map { Array($0.utf8) }
        parts.headers = try conditions(route.headers, field: "headers") { key throws(RouteProblem) in
            try Self.headerSubject(key)
        }
        parts.query = try conditions(route.queryParameters, field: "queryParameters") { _ in .query }
        if let template = route.rewrite?.path { parts.rewrite = try PathRewrite(template, regex: regex) }
        return parts
    }

    private mutating func conditions(
        _ predicates: [KeyedPredicate], field: String,
        _ subject: (String) throws(RouteProblem) -> Condition.Subject
    ) throws(RouteProblem) -> [RouteParts.Condition] {
        var made: [RouteParts.Condition] = []
        for (position, predicate) in predicates.enumerated() {
            let about = try subject(predicate.key)
            let key = Array(predicate.key.utf8)
            let value = Array(predicate.value.utf8)
            var regex: RegularExpression?
            if predicate.kind == .regex {
                regex = try compile(predicate.value, caseSensitive: true, field: "\(field)[\(position)].value")
            }
            made.append(
                RouteParts.Condition(
                    subject: about, kind: PathKind(predicate.kind),
                    key: about == .field ? key.map(FoldedBytes.fold) : key,
                    value: about == .authority ? value.map(FoldedBytes.fold) : value, regex: regex?.handle))
        }
        return made
    }

    private mutating func compile(
        _ pattern: String, caseSensitive: Bool, field: String
    ) throws(RouteProblem) -> RegularExpression {
        do {
            let compiled = try RegularExpression(pattern: pattern, caseSensitive: caseSensitive)
            patterns.append(compiled)
            return compiled
        } catch {
            throw RouteProblem(field: field, reason: error.message)
        }
    }

    private static func headerSubject(_ key: String) throws(RouteProblem) -> Condition.Subject {
        guard key.utf8.first == 0x3a else { return .field }
        switch key {
        case ":authority": return .authority
        case ":path": return .path
        case ":method": return .method
        case ":scheme": return .scheme
        default: throw RouteProblem(field: "headers", reason: "unknown pseudo-header \(key)")
        }
    }
}

/// The contents of a record before they have their place.
private struct RouteParts {
    struct Condition {
        let subject: RouteMatching.Condition.Subject
        let kind: PathKind
        let key: [UInt8]
        let value: [UInt8]
        let regex: OpaquePointer?
    }

    let kind: PathKind
    let caseSensitive: Bool
    var path: [UInt8] = []
    var regex: OpaquePointer?
    var methods: [[UInt8]] = []
    var headers: [Condition] = []
    var query: [Condition] = []
    var rewrite: PathRewrite?

    init(kind: PathKind, caseSensitive: Bool) {
        self.kind = kind
        self.caseSensitive = caseSensitive
    }

    func laidOut(slot: Int) -> (RoutePointer, UnsafeMutableRawPointer) {
        let literals = (rewrite?.pieces ?? []).map { piece -> [UInt8] in
            if case .literal(let bytes) = piece { bytes } else { [] }
        }
        var room = RecordBlock.room(for: RouteRecord.self)
        room += RecordBlock.room(for: Text.self, count: methods.count)
        room += RecordBlock.room(for: RouteMatching.Condition.self, count: headers.count)
        room += RecordBlock.room(for: RouteMatching.Condition.self, count: query.count)
        room += RecordBlock.room(for: RewritePiece.self, count: literals.count)
        var texts = path.count
        for text in methods { texts += text.count }
        for text in literals { texts += text.count }
        for condition in headers { texts += condition.key.count + condition.value.count }
        for condition in query { texts += condition.key.count + condition.value.count }
        var block = RecordBlock(recordBytes: room, textBytes: texts)
        func placed(_ made: [Condition]) -> UnsafeBufferPointer<RouteMatching.Condition> {
            let records = made.map {
                RouteMatching.Condition(
                    subject: $0.subject, kind: $0.kind, key: block.place($0.key), value: block.place($0.value),
                    regex: $0.regex)
            }
            return block.place(records)
        }
        let names = methods.map { block.place($0) }
        let methods = block.place(names)
        let headers = placed(headers)
        let query = placed(query)
        var rule: RewriteRule?
        if let rewrite {
            let pieces = zip(rewrite.pieces, literals).map { piece, literal -> RewritePiece in
                if case .group(let group) = piece { return RewritePiece(group: group, literal: block.place([])) }
                return RewritePiece(group: -1, literal: block.place(literal))
            }
            rule = RewriteRule(
                pieces: block.place(pieces), prefix: kind == .prefix ? path.count : -1, regex: regex)
        }
        let record = RouteRecord(
            slot: slot, kind: kind, caseSensitive: caseSensitive, path: block.place(path), regex: regex,
            methods: methods, headers: headers, query: query, rewrite: rule)
        return (block.place(one: record), block.memory)
    }
}

extension PathKind {
    init(_ kind: MatchKind) {
        self =
            switch kind {
            case .exact: .exact
            case .prefix: .prefix
            case .regex: .regex
            }
    }
}
