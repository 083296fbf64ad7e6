// What a `RouteTable` consists of in memory: arrays of trivial records that name one another by index, and one run of
// bytes that holds every text. Reading them touches no reference count.

/// A piece of the table's bytes.
struct Text {
    var offset: UInt32
    var count: UInt32
}

/// A piece of one of the table's arrays.
struct Slice {
    var first: UInt32
    var count: UInt32

    static let empty = Slice(first: 0, count: 0)
}

/// A slot of the open-addressing table of hosts. `key.count == 0`: free.
struct HostSlot {
    var hash: UInt32
    /// Folded. A wildcard `*.example.com` is stored as `.example.com`, which no exact host begins like.
    var key: Text
    var virtualHost: Int32
    /// Slot of the longest wildcard that covers this host too; -1: none.
    var parent: Int32

    static let free = HostSlot(hash: 0, key: Text(offset: 0, count: 0), virtualHost: -1, parent: -1)
}

/// How one virtual host finds its candidates. They lie in one run, in the order of rank.
struct PathIndex {
    var all: Slice
    /// Prefix `/` with conditions, after all longer prefixes.
    var root: Slice
    var regexes: Slice
    /// Prefix `/` without conditions, after everything.
    var catchAll: Slice
    /// Open-addressing tables of `PathSlot`; a power of two long, or empty.
    var exact: Slice
    var prefixes: Slice
    /// Bit n: some prefix has n slashes (bit 63: 63 or more). Keeps deep paths from costing a look-up per segment.
    var prefixDepths: UInt64
    /// Longer paths need no look-up at all.
    var longestExact: UInt32
    var longestPrefix: UInt32

    static let empty = PathIndex(
        all: .empty, root: .empty, regexes: .empty, catchAll: .empty, exact: .empty, prefixes: .empty, prefixDepths: 0,
        longestExact: 0, longestPrefix: 0)
}

/// A slot of a table of paths. `bucket.count == 0`: free.
struct PathSlot {
    var hash: UInt32
    var key: Text
    /// Candidates whose path is this one, apart from letter case.
    var bucket: Slice
    /// Prefixes only: slot of the next shorter prefix of this one; -1: none.
    var parent: Int32

    static let free = PathSlot(hash: 0, key: Text(offset: 0, count: 0), bucket: .empty, parent: -1)
}

/// A route as one virtual host sees it.
struct Candidate {
    var route: Int32
    var kind: PathKind
    /// As configured where case matters, else folded; prefixes without their last slash; for regexes a literal prefix.
    var path: Text
    var caseSensitive: Bool
    var methods: Slice
    var headers: Slice
    var query: Slice
    var regex: OpaquePointer?
}

enum PathKind: UInt8 {
    case exact
    case prefix
    case regex
}

/// A condition on a header, a pseudo-header or a query parameter.
struct Condition {
    var subject: Subject
    var kind: PathKind
    var key: Text
    var value: Text
    var regex: OpaquePointer?

    enum Subject: UInt8 {
        case field
        case authority
        case path
        case method
        case scheme
        case query
    }
}

/// What came of checking one candidate. The number is the index of the condition that does not hold.
enum Verdict {
    case matched
    case path
    case method
    case header(Int)
    case query(Int)

    @inline(__always)
    var isMatch: Bool {
        if case .matched = self { true } else { false }
    }
}

/// What the upstream sees instead of the client's path.
struct RewriteRule {
    var pieces: Slice
    /// Prefix routes: how many bytes of the path are replaced, the rest stays; -1: all.
    var prefix: Int32
    var regex: OpaquePointer?
}

/// A part of a new path: a group of the match, or (`group == -1`) fixed bytes.
struct RewritePiece {
    var group: Int32
    var literal: Text
}
