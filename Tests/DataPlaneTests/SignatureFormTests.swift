// Mirrors SignatureForm.swift and Base64URL.swift.

import DataPlane
import Testing

struct SignatureFormTests {
    private func der(_ signature: [UInt8], _ size: Int) -> [UInt8]? {
        signature.withUnsafeBytes { signature in
            withUnsafeTemporaryAllocation(of: UInt8.self, capacity: SignatureForm.longestDER) { target in
                target.baseAddress.flatMap { start in
                    SignatureForm.der(signature, size: size, into: start).map { Array(target[..<$0]) }
                }
            }
        }
    }

    private func number(_ size: Int, _ tail: [UInt8]) -> [UInt8] {
        Array(repeating: 0, count: size - tail.count) + tail
    }

    @Test func numbersHaveNoZerosInFrontAndNoSign() {
        #expect(der(number(32, [1]) + number(32, [0x80]), 32) == [0x30, 7, 2, 1, 1, 2, 2, 0, 0x80])
        #expect(der(number(32, [0x7f, 0]) + number(32, []), 32) == [0x30, 7, 2, 2, 0x7f, 0, 2, 1, 0])
    }

    @Test(arguments: [32, 48, 66]) func theLongestFit(_ size: Int) {
        let r = [UInt8](repeating: 0xff, count: size)
        let encoded = der(r + r, size)
        let length = 2 * (size + 3)
        let head: [UInt8] = length < 0x80 ? [0x30, UInt8(length)] : [0x30, 0x81, UInt8(length)]
        let one = [0x02, UInt8(size + 1), 0x00] + r
        #expect(encoded == head + one + one)
    }

    @Test(arguments: [0, 1, 63, 65, 128]) func anotherLengthIsRefused(_ count: Int) {
        #expect(der([UInt8](repeating: 1, count: count), 32) == nil)
    }

    private func decode(_ text: String) -> [UInt8]? {
        Array(text.utf8).withUnsafeBytes { text in
            withUnsafeTemporaryAllocation(of: UInt8.self, capacity: text.count + 1) { target in
                target.baseAddress.flatMap { start in Base64URL.decode(text, into: start).map { Array(target[..<$0]) } }
            }
        }
    }

    @Test(arguments: [
        ("", ""), ("Zg", "f"), ("Zm8", "fo"), ("Zm9v", "foo"), ("Zm9vYg", "foob"), ("Pz8_fn5-", "???~~~"),
    ])
    func decodesWithoutPadding(_ text: String, _ plain: String) {
        #expect(decode(text) == Array(plain.utf8))
    }

    /// A token has one text: what is left over of its last character is zero, and there is no other alphabet.
    @Test(arguments: ["Zg==", "Zg=", "Z", "Zm9vY", "Zh", "Zm9", "Pz8/", "fn5+", "Zm 8", "Zm8\n", "Zm8.", "é"])
    func refusesOtherForms(_ text: String) {
        #expect(decode(text) == nil)
    }
}
