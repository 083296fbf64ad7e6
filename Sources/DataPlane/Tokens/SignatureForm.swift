// ECDSA signatures: JWS has the two numbers side by side in full length (RFC 7518 §3.4), OpenSSL wants them in DER (RFC 3279 §2.2.3).

internal import Glibc

package enum SignatureForm {
    /// Of the largest curve: two numbers of 66 bytes, each with a zero, tag and length, and those of the sequence.
    package static let longestDER = 2 * (66 + 1 + 2) + 3

    /// Writes `r ‖ s`, each of `size` bytes, as DER into `target`, which has room for `longestDER`; returns the length. nil: it has
    /// another length.
    package static func der(
        _ signature: UnsafeRawBufferPointer, size: Int, into target: UnsafeMutablePointer<UInt8>
    ) -> Int? {
        guard size <= 66, signature.count == 2 * size else { return nil }
        let r = UnsafeRawBufferPointer(rebasing: signature[..<size])
        let s = UnsafeRawBufferPointer(rebasing: signature[size...])
        let content = length(r) + length(s) + 4
        var p = target
        p[0] = 0x30
        p += 1
        if content >= 0x80 {
            p[0] = 0x81
            p += 1
        }
        p[0] = UInt8(truncatingIfNeeded: content)
        p += 1
        write(r, &p)
        write(s, &p)
        return p - target
    }

    /// Of the number in as few bytes as it takes, with a zero in front where its sign would be misread.
    private static func length(_ number: UnsafeRawBufferPointer) -> Int {
        let digits = number.count - zeros(number)
        guard digits > 0 else { return 1 }
        return number[number.count - digits] & 0x80 == 0 ? digits : digits + 1
    }

    private static func zeros(_ number: UnsafeRawBufferPointer) -> Int {
        number.firstIndex { $0 != 0 } ?? number.count
    }

    private static func write(_ number: UnsafeRawBufferPointer, _ p: inout UnsafeMutablePointer<UInt8>) {
        let count = length(number)
        let digits = number.count - zeros(number)
        p[0] = 0x02
        p[1] = UInt8(truncatingIfNeeded: count)
        p += 2
        if count > digits {
            p[0] = 0
            p += 1
        }
        for index in number.count - digits..<number.count {
            p[0] = number[index]
            p += 1
        }
    }
}
