// Hashing and comparing of bytes with ASCII letters folded to lower case, eight at a time. Keys of the tables are stored
// folded; what a request brings is folded while it is read, so that nothing is copied.

import Glibc

enum FoldedBytes {
    /// `A`–`Z` in each of the eight bytes become `a`–`z`; all other bytes stay.
    @inline(__always)
    static func fold(_ word: UInt64) -> UInt64 {
        let sevenBits = word & 0x7f7f_7f7f_7f7f_7f7f
        let aboveZ = sevenBits &+ 0x2525_2525_2525_2525
        let fromA = sevenBits &+ 0x3f3f_3f3f_3f3f_3f3f
        let ascii = ~word & 0x8080_8080_8080_8080
        return word | ((ascii & (fromA ^ aboveZ)) &>> 2)
    }

    @inline(__always)
    static func fold(_ byte: UInt8) -> UInt8 {
        byte &- 0x41 < 26 ? byte | 0x20 : byte
    }

    /// Continues a hash over further bytes. The split into calls is part of the result: callers cut at `/` only.
    ///
    /// Not seeded: keys come from the configuration, and a request can only ask for them.
    @inline(__always)
    static func hash(_ start: UInt64, _ bytes: UnsafeRawPointer, _ count: Int) -> UInt64 {
        var state = start ^ (UInt64(truncatingIfNeeded: count) &* 0x9e37_79b9_7f4a_7c15)
        var offset = 0
        while offset &+ 8 <= count {
            state = mix(state, fold(bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)))
            offset &+= 8
        }
        if offset < count {
            state = mix(state, fold(tail(bytes + offset, count &- offset)))
        }
        return state
    }

    /// Whether `bytes`, folded, are the already folded `key`.
    @inline(__always)
    static func equal(_ bytes: UnsafeRawPointer, key: UnsafeRawPointer, count: Int) -> Bool {
        var offset = 0
        while offset &+ 8 <= count {
            let a = fold(bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            if a != key.loadUnaligned(fromByteOffset: offset, as: UInt64.self) { return false }
            offset &+= 8
        }
        return offset == count || fold(tail(bytes + offset, count &- offset)) == tail(key + offset, count &- offset)
    }

    /// Whether the bytes are the key, letter case included.
    @inline(__always)
    static func identical(_ bytes: UnsafeRawPointer, key: UnsafeRawPointer, count: Int) -> Bool {
        count == 0 || memcmp(bytes, key, count) == 0
    }

    @inline(__always)
    private static func mix(_ state: UInt64, _ word: UInt64) -> UInt64 {
        let product = (state ^ word ^ 0xa076_1d64_78bd_642f).multipliedFullWidth(by: 0xe703_7ed1_a0b4_28db)
        return product.high ^ product.low
    }

    /// One to seven bytes as a word.
    @inline(__always)
    private static func tail(_ bytes: UnsafeRawPointer, _ count: Int) -> UInt64 {
        if count >= 4 {
            let low = bytes.loadUnaligned(as: UInt32.self)
            let high = bytes.loadUnaligned(fromByteOffset: count &- 4, as: UInt32.self)
            return UInt64(low) | UInt64(high) &<< 32
        }
        let first = UInt64(bytes.load(as: UInt8.self))
        let middle = UInt64(bytes.load(fromByteOffset: count &>> 1, as: UInt8.self))
        let last = UInt64(bytes.load(fromByteOffset: count &- 1, as: UInt8.self))
        return first | middle &<< 8 | last &<< 16
    }
}
