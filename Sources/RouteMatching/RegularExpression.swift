// RE2 behind a Swift type: linear time, bounded memory, safe to use from several threads at once. Console rules, snapshot
// checks and the worker compile patterns here, so that all three accept and refuse the same.

import CRE2

/// A pattern that cannot be compiled, in RE2's words.
package struct RegularExpressionError: Error, Hashable, CustomStringConvertible {
    package let message: String
    package var description: String { message }
}

/// A compiled RE2 pattern.
///
/// Unchecked: RE2's constant methods are thread-safe, and nothing changes after `init`.
package final class RegularExpression: @unchecked Sendable {
    /// Bytes for program and automaton. Above it RE2 goes on with its slower automaton, still in linear time.
    static let memoryLimit: Int64 = 2 << 20
    /// Instructions. The slowest automaton takes at most this many steps a byte, so the bound keeps a loop from stalling.
    static let programLimit: Int32 = 2_000
    /// `$0` to `$9`.
    static let groupLimit = 10

    let handle: OpaquePointer
    package let pattern: String

    package init(pattern: String, caseSensitive: Bool = true) throws(RegularExpressionError) {
        var message = [CChar](repeating: 0, count: 256)
        var text = pattern
        let made = text.withUTF8 { bytes in
            bytes.withMemoryRebound(to: CChar.self) { chars in
                causeway_re2_compile(
                    chars.baseAddress, chars.count, caseSensitive, Self.memoryLimit, Self.programLimit, &message,
                    message.count)
            }
        }
        guard let made else {
            let length = message.firstIndex(of: 0) ?? message.count
            throw RegularExpressionError(
                message: String(decoding: message[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self))
        }
        handle = made
        self.pattern = pattern
    }

    deinit {
        causeway_re2_free(handle)
    }

    /// Whether the pattern matches from the first byte on, up to anywhere.
    package func matchesPrefix(_ text: UnsafeRawBufferPointer) -> Bool {
        Self.matches(handle, text, whole: false)
    }

    /// Whether the pattern matches all of the text.
    package func matchesWhole(_ text: UnsafeRawBufferPointer) -> Bool {
        Self.matches(handle, text, whole: true)
    }

    /// The same for a handle alone: matching on the hot path touches no reference count.
    @inline(__always)
    static func matches(_ handle: OpaquePointer, _ text: UnsafeRawBufferPointer, whole: Bool) -> Bool {
        causeway_re2_match(handle, text.baseAddress?.assumingMemoryBound(to: CChar.self), text.count, whole)
    }

    /// Number of capturing groups.
    package var groupCount: Int { Int(causeway_re2_groups(handle)) }

    /// Up to 64 bytes that every text which matches from its first byte begins with.
    var literalPrefix: [UInt8] {
        [UInt8](unsafeUninitializedCapacity: 64) { buffer, count in
            count = buffer.withMemoryRebound(to: CChar.self) {
                causeway_re2_literal_prefix(handle, $0.baseAddress, $0.count)
            }
        }
    }
}
