// Headers that the gateway alone writes: those that claims of tokens are told in. What clients send under such a name is dropped, on
// every route; `_` counts as `-`, for behind a gateway sits many a server that reads `X_User` and `X-User` as one variable (RFC 3875).

internal import CNghttp2
internal import Glibc

/// `@unchecked Sendable`: written when it is made, then only read.
final class HeaderNames: @unchecked Sendable {
    let names: UnsafeMutableBufferPointer<FixedText>
    private let texts: [String]

    convenience init() { self.init([]) }

    private init(_ texts: [String]) {
        self.texts = texts
        names = .copy(texts.map { FixedText($0) })
    }

    deinit {
        for name in names { name.deallocate() }
        names.deallocate()
    }

    /// Itself where nothing changes.
    func following(_ wanted: [String]) -> HeaderNames {
        let wanted = Set(wanted).sorted()
        return wanted == texts ? self : HeaderNames(wanted)
    }

    @inline(__always)
    func holds(_ field: nghttp2_nv) -> Bool {
        guard let name = field.name else { return false }
        for own in names where own.bytes.count == field.namelen {
            var index = 0
            while index < field.namelen, Self.folded(own.bytes[index]) == Self.folded(name[index]) { index += 1 }
            if index == field.namelen { return true }
        }
        return false
    }

    @inline(__always)
    private static func folded(_ byte: UInt8) -> UInt8 { byte == 0x5f ? 0x2d : byte }
}
