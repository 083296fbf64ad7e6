// What a compiled route consists of in memory: trivial records behind pointers, in one block that a `CompiledRoute` owns.
// Reading them touches no reference count.

/// Bytes in the block of a record.
struct Text {
    let start: UnsafeRawPointer
    let count: Int

    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: start, count: count) }
    var string: String { String(decoding: bytes, as: UTF8.self) }
}

/// A route as every virtual host that has it sees it.
struct RouteRecord {
    let slot: Int
    let kind: PathKind
    let caseSensitive: Bool
    /// As configured where case matters, else folded; prefixes without their last slash; for regexes a literal prefix.
    let path: Text
    let regex: OpaquePointer?
    /// Any of them; empty: every method.
    let methods: UnsafeBufferPointer<Text>
    /// On header fields and pseudo-headers; all must hold.
    let headers: UnsafeBufferPointer<Condition>
    let query: UnsafeBufferPointer<Condition>
    let rewrite: RewriteRule?
}

enum PathKind: UInt8 {
    case exact
    case prefix
    case regex
}

/// A condition on a header, a pseudo-header or a query parameter.
struct Condition {
    let subject: Subject
    let kind: PathKind
    let key: Text
    let value: Text
    let regex: OpaquePointer?

    enum Subject: UInt8 {
        case field
        case authority
        case path
        case method
        case scheme
        case query
    }
}

/// What came of checking one route.
enum Verdict {
    case matched
    case path
    case method
    /// The condition that does not hold.
    case header(UnsafePointer<Condition>)
    case query(UnsafePointer<Condition>)

    @inline(__always)
    var isMatch: Bool {
        if case .matched = self { true } else { false }
    }
}

/// What the upstream sees instead of the client's path.
struct RewriteRule {
    let pieces: UnsafeBufferPointer<RewritePiece>
    /// Prefix routes: how many bytes of the path are replaced, the rest stays; -1: all.
    let prefix: Int
    let regex: OpaquePointer?
}

/// A part of a new path: a group of the match, or (`group == -1`) fixed bytes.
struct RewritePiece {
    let group: Int
    let literal: Text
}

typealias RoutePointer = UnsafePointer<RouteRecord>

/// Lays records and texts out in one block: records from the front, texts from behind them on.
struct RecordBlock {
    let memory: UnsafeMutableRawPointer
    private let textStart: Int
    private let capacity: Int
    private var records = 0
    private var texts: Int

    static let alignment = 16

    /// Both are sums over what will be placed: of `room(for:count:)`, and of the texts' lengths.
    init(recordBytes: Int, textBytes: Int) {
        textStart = recordBytes
        capacity = recordBytes + textBytes
        texts = recordBytes
        memory = .allocate(byteCount: max(capacity, 1), alignment: Self.alignment)
    }

    static func room<T: BitwiseCopyable>(for type: T.Type, count: Int = 1) -> Int {
        (MemoryLayout<T>.stride * count + alignment - 1) & ~(alignment - 1)
    }

    mutating func place<T: BitwiseCopyable>(_ made: [T]) -> UnsafeBufferPointer<T> {
        let size = Self.room(for: T.self, count: made.count)
        precondition(records + size <= textStart, "the block was measured before it was filled")
        let start = (memory + records).bindMemory(to: T.self, capacity: made.count)
        start.initialize(from: made, count: made.count)
        records += size
        return UnsafeBufferPointer(start: start, count: made.count)
    }

    mutating func place<T: BitwiseCopyable>(one made: T) -> UnsafePointer<T> {
        let size = Self.room(for: T.self)
        precondition(records + size <= textStart, "the block was measured before it was filled")
        let place = (memory + records).bindMemory(to: T.self, capacity: 1)
        place.initialize(to: made)
        records += size
        return UnsafePointer(place)
    }

    mutating func place(_ text: [UInt8]) -> Text {
        precondition(texts + text.count <= capacity, "the block was measured before it was filled")
        let start = memory + texts
        start.copyMemory(from: text, byteCount: text.count)
        texts += text.count
        return Text(start: start, count: text.count)
    }
}
