// A range of client addresses (CIDR, RFC 4632 and RFC 4291 §2.3), in the form in which connections keep their peer's.

import Glibc

/// An address with the number of leading bits that count. IPv4 stands in its mapped form (RFC 4291 §2.5.5.2).
package struct AddressRange: Hashable, Sendable {
    /// The 16 bytes of the address as two numbers, most significant byte first; bits behind `bits` are zero.
    package let high: UInt64
    package let low: UInt64
    /// 0 to 128.
    package let bits: Int

    /// `10.0.0.0/8`, `192.0.2.1`, `2001:db8::/32`; `*` for every address. nil: none of these.
    package init?(_ text: String) {
        if text == "*" {
            (high, low, bits) = (0, 0, 0)
            return
        }
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        let address = String(parts[0])
        var bytes: (UInt64, UInt64) = (0, 0)
        let offset: Int
        if Syntax.isIPv4(address) {
            var four = in_addr()
            guard inet_pton(AF_INET, address, &four) == 1 else { return nil }
            bytes.1 = UInt64(0xffff) << 32 | UInt64(UInt32(bigEndian: four.s_addr))
            offset = 96
        } else {
            var sixteen = in6_addr()
            guard Syntax.isIPv6(address), inet_pton(AF_INET6, address, &sixteen) == 1 else { return nil }
            bytes = withUnsafeBytes(of: sixteen) {
                (
                    UInt64(bigEndian: $0.loadUnaligned(as: UInt64.self)),
                    UInt64(bigEndian: $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
                )
            }
            offset = 0
        }
        var length = 128 - offset
        if parts.count == 2 {
            guard let given = Int(parts[1]), (0...length).contains(given), parts[1].allSatisfy(\.isNumber) else {
                return nil
            }
            length = given
        }
        bits = offset + length
        high = bytes.0 & Self.mask(bits)
        low = bytes.1 & Self.mask(bits - 64)
    }

    /// Whether the address (two numbers, most significant byte first) lies in it.
    @inline(__always)
    package func contains(_ high: UInt64, _ low: UInt64) -> Bool {
        high & Self.mask(bits) == self.high && low & Self.mask(bits - 64) == self.low
    }

    @inline(__always)
    private static func mask(_ bits: Int) -> UInt64 {
        bits <= 0 ? 0 : bits >= 64 ? .max : ~(UInt64.max >> UInt64(bits))
    }
}
