// Which line of versions a snapshot belongs to. A restored or copied database starts a new history, so that a worker
// never mistakes an old version number for a new one.

import Seal

/// 16 random bytes that name a line of versions.
package struct HistoryID: Hashable, Sendable, CustomStringConvertible {
    private let high: UInt64
    private let low: UInt64

    package static let byteCount = 16

    /// `nil` unless there are exactly 16 bytes.
    package init?(_ bytes: some Collection<UInt8>) {
        guard bytes.count == Self.byteCount else { return nil }
        high = bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
        low = bytes.dropFirst(8).reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// `nil` unless the text is exactly 32 hexadecimal digits.
    package init?(hex: String) {
        guard let bytes = Hex.decode(hex) else { return nil }
        self.init(bytes)
    }

    private init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// A history that nobody has seen before.
    package static func mint() -> HistoryID {
        Random.bytes(byteCount).withUnsafeBytes { bytes in
            HistoryID(
                high: bytes.loadUnaligned(as: UInt64.self), low: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
            )
        }
    }

    package var bytes: [UInt8] {
        withUnsafeBytes(of: (high.bigEndian, low.bigEndian)) { Array($0) }
    }

    package var hex: String { Hex.encode(bytes) }
    package var description: String { hex }
}
