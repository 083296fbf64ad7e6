// Random bytes for keys, nonces, tokens and identifiers. Anything that must be repeatable takes a seed instead.

import COpenSSL

/// Bytes that nobody can predict.
package enum Random {
    package static func bytes(_ count: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            fill(UnsafeMutableRawBufferPointer(buffer))
            initialized = count
        }
    }

    package static func fill(_ buffer: UnsafeMutableRawBufferPointer) {
        guard buffer.count > 0 else { return }
        precondition(buffer.count <= Int(Int32.max), "too many random bytes at once")
        // Going on with predictable keys or nonces would be worse than stopping.
        let filled = RAND_bytes(buffer.baseAddress?.assumingMemoryBound(to: UInt8.self), Int32(buffer.count))
        precondition(filled == 1, "no randomness available")
    }
}
