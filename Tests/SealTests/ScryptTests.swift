// Passwords: the stored text, what verifies against it, and what a damaged text may not do.

import Seal
import Testing

@Suite struct ScryptTests {
    private let cheap = Scrypt.Parameters(logN: 4, r: 8, p: 1)

    @Test func onlyTheSamePasswordVerifies() throws {
        let text = try Scrypt.hash(Secret("pass:wörd"), parameters: cheap)
        #expect(try Scrypt.verify(Secret("pass:wörd"), against: text))
        #expect(try !Scrypt.verify(Secret("pass:word"), against: text))
        #expect(try !Scrypt.verify(Secret(""), against: text))
        let empty = try Scrypt.hash(Secret(""), parameters: cheap)
        #expect(try Scrypt.verify(Secret(""), against: empty))
        #expect(try !Scrypt.verify(Secret(" "), against: empty))
    }

    @Test func theSamePasswordIsNeverStoredTwiceAlike() throws {
        let texts = try (0..<10).map { _ in try Scrypt.hash(Secret("a"), parameters: cheap) }
        #expect(Set(texts).count == 10)
        #expect(texts.allSatisfy { !$0.contains("\n") && $0.hasPrefix("scrypt$4$8$1$") })
    }

    @Test func agreesWithTheStandardsVector() throws {
        // RFC 7914 §12, third vector, its first 32 bytes (the others are the next block of the same PBKDF2).
        let salt = Hex.encode(Array("SodiumChloride".utf8))
        let hash = "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
        #expect(try Scrypt.verify(Secret("pleaseletmein"), against: "scrypt$14$8$1$\(salt)$\(hash)"))
    }

    @Test func standardParametersAreUsedUnlessTold() throws {
        let text = try Scrypt.hash(Secret("a"))
        #expect(text.hasPrefix("scrypt$15$8$1$"))
        #expect(try Scrypt.verify(Secret("a"), against: text))
        #expect(!Scrypt.isOutdated(text))
        #expect(Scrypt.isOutdated(try Scrypt.hash(Secret("a"), parameters: cheap)))
        #expect(Scrypt.isOutdated("plain"))
    }

    @Test(arguments: [
        "", "scrypt", "scrypt$4$8$1$00", "bcrypt$4$8$1$00$HASH", "scrypt$4$8$1$$HASH", "scrypt$4$8$1$0$HASH",
        "scrypt$4$8$1$00$12", "scrypt$0$8$1$00$HASH", "scrypt$63$8$1$00$HASH", "scrypt$20$32$1$00$HASH",
        "scrypt$4$0$1$00$HASH", "scrypt$4$8$0$00$HASH", "scrypt$4$8$255$00$HASH", "scrypt$-4$8$1$00$HASH",
        "scrypt$4$8$1$00$HASH$",
    ])
    func damagedTextsAreRefusedBeforeAnyWork(text: String) {
        let text = text.replacing("HASH", with: String(repeating: "0", count: 64))
        #expect(throws: ScryptError.malformed) { try Scrypt.verify(Secret("a"), against: text) }
    }
}
