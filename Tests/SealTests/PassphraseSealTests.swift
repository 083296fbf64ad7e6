// What leaves under a passphrase opens with it, as what it is, and in no other way.

import Seal
import Testing

struct PassphraseSealTests {
    private static let passphrase = Secret("correct horse")

    @Test func itOpensWithItsPassphrase() throws {
        let sealed = try PassphraseSeal.seal([1, 2, 3], passphrase: Self.passphrase, purpose: "test")
        #expect(try PassphraseSeal.open(sealed, passphrase: Self.passphrase, purpose: "test") == [1, 2, 3])
        #expect(throws: PassphraseError.wrongPassphrase) {
            try PassphraseSeal.open(sealed, passphrase: Secret("other"), purpose: "test")
        }
        #expect(throws: PassphraseError.wrongPassphrase) {
            try PassphraseSeal.open(sealed, passphrase: Self.passphrase, purpose: "another")
        }
        let changed = sealed.dropLast() + (sealed.hasSuffix("0") ? "1" : "0")
        #expect(throws: PassphraseError.wrongPassphrase) {
            try PassphraseSeal.open(String(changed), passphrase: Self.passphrase, purpose: "test")
        }
    }

    @Test(arguments: [
        "", "x", "causeway-sealed$17$8$1$00$", "causeway-sealed$17$8$1$zz$00", "causeway-sealed$60$8$1$00$00",
        "causeway-sealed$17$255$255$00$00",
    ])
    func whatIsNoneIsRefusedAtOnce(text: String) {
        #expect(throws: PassphraseError.self) {
            try PassphraseSeal.open(text, passphrase: Self.passphrase, purpose: "test")
        }
    }
}
