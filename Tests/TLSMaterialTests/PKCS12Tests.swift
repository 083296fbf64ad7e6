// PKCS#12 files as people have them: made by openssl's command line, in its forms of today and before.

import Foundation
import Seal
import TLSMaterial
import Testing

@Suite struct PKCS12Tests {
    private let shop: Workshop
    private static let passphrase = "geheim \u{fc}: 1"

    init() throws {
        shop = try Workshop()
        try shop.chain()
        try shop.write("above.pem", try shop.text("root.crt") + shop.text("middle.crt"))
    }

    private func file(_ options: [String], passphrase: String = Self.passphrase) throws -> Secret {
        try shop.openssl(
            ["pkcs12", "-export", "-inkey", "leaf.key", "-in", "leaf.crt", "-certfile", "above.pem", "-out", "a.p12"]
                + ["-passout", "pass:\(passphrase)"] + options)
        return Secret(try shop.bytes("a.p12"))
    }

    private func refusal(_ file: Secret, _ passphrase: String?) -> TLSMaterialError? {
        do throws(TLSMaterialError) {
            _ = try CertificateInspection.inspect(pkcs12: file, passphrase: passphrase.map { Secret($0) })
            return nil
        } catch {
            return error
        }
    }

    private var plain: CertificateInspection {
        get throws {
            try CertificateInspection.inspect(
                certificatePEM: try ["leaf.crt", "middle.crt", "root.crt"].map { try shop.text($0) }.joined(),
                keyPEM: Secret(try shop.bytes("leaf.key")))
        }
    }

    @Test(arguments: [
        [], ["-legacy"], ["-legacy", "-descert"], ["-nomac"], ["-keypbe", "NONE"], ["-certpbe", "NONE"],
        ["-macalg", "sha512", "-iter", "100000"], ["-name", "shop", "-caname", "x"],
    ])
    func holdsWhatPEMHolds(options: [String]) throws {
        let file = try file(options)
        let found = try CertificateInspection.inspect(pkcs12: file, passphrase: Secret(Self.passphrase))
        let plain = try plain
        #expect(found.chainPEM == plain.chainPEM && found.keyPEM == plain.keyPEM && found.facts == plain.facts)
        #expect(found.hints == [.superfluousRoot(subject: "CN=Root")], "its certificates have no order")
        for wrong in ["", "geheim", String(repeating: "x", count: 5_000)] {
            #expect(refusal(file, wrong) == TLSMaterialError(.passphrase, "does not open the file"))
        }
        #expect(refusal(file, nil) == TLSMaterialError(.passphrase, "is needed: the file is encrypted"))
    }

    @Test func filesWithoutAPassphraseNeedNone() throws {
        for options in [[], ["-legacy"], ["-keypbe", "NONE", "-certpbe", "NONE", "-nomac"]] {
            let file = try file(options, passphrase: "")
            #expect(refusal(file, nil) == nil, "\(options)")
        }
    }

    @Test func whatIsNoSuchFileIsNamed() throws {
        let damaged = TLSMaterialError(.pkcs12, "is not a PKCS#12 file (.p12, .pfx), or it is damaged")
        for bytes in [[], [0x30], Array("garbage".utf8), try shop.bytes("leaf.crt").map { $0 ^ 1 }] {
            #expect(refusal(Secret(bytes), nil) == damaged)
        }
        let whole = try file([])
        #expect(refusal(Secret(Array(whole.bytes.dropLast())), Self.passphrase) == damaged)
        #expect(refusal(Secret(whole.bytes + [0]), Self.passphrase) == damaged)
        #expect(refusal(Secret(try shop.bytes("leaf.crt")), nil)?.reason.contains("is PEM") == true)
        #expect(
            refusal(Secret([UInt8](repeating: 0x30, count: 512 * 1_024 + 1)), nil)?.reason == "is larger than 512 KiB")
    }

    @Test func partsThatAreMissingAreNamed() throws {
        try shop.openssl(
            "pkcs12", "-export", "-nokeys", "-in", "leaf.crt", "-passout", "pass:x", "-out", "a.p12")
        #expect(refusal(Secret(try shop.bytes("a.p12")), "x")?.description == "pkcs12: holds no private key")
        try shop.openssl(
            "pkcs12", "-export", "-nocerts", "-inkey", "leaf.key", "-passout", "pass:x", "-out", "a.p12")
        #expect(refusal(Secret(try shop.bytes("a.p12")), "x")?.description == "pkcs12: holds no certificate")
        try shop.key("small", "RSA", "rsa_keygen_bits:1024")
        try shop.certificate("small", cn: "small.com")
        try shop.openssl(
            "pkcs12", "-export", "-inkey", "small.key", "-in", "small.crt", "-passout", "pass:x", "-out", "a.p12")
        #expect(
            refusal(Secret(try shop.bytes("a.p12")), "x")?.description
                == "pkcs12: its key: is too small: RSA needs 2048 bits at least")
    }

    @Test func workWithoutEndIsRefused() throws {
        var bytes = try file(["-iter", "2048"]).bytes
        // INTEGER 2048, wherever it counts rounds, becomes one of the same length.
        let (asked, endless): ([UInt8], [UInt8]) = ([0x02, 0x02, 0x08, 0x00], [0x02, 0x02, 0x7f, 0xff])
        var places = 0
        for start in bytes.indices.dropLast(4) where Array(bytes[start..<start + 4]) == asked {
            bytes.replaceSubrange(start..<start + 4, with: endless)
            places += 1
        }
        #expect(places >= 2)
        #expect(
            refusal(Secret(bytes), Self.passphrase)?.field == .passphrase, "32,767 rounds are taken, and do not fit")
        try shop.openssl(
            "pkcs12", "-export", "-inkey", "leaf.key", "-in", "leaf.crt", "-passout", "pass:x", "-iter", "6000000",
            "-nomac", "-out", "a.p12")
        #expect(refusal(Secret(try shop.bytes("a.p12")), "x")?.reason.hasPrefix("asks for too many rounds") == true)
        try shop.openssl(
            "pkcs8", "-topk8", "-in", "leaf.key", "-passout", "pass:x", "-iter", "6000000", "-out", "locked.key")
        let error = #expect(throws: TLSMaterialError.self) {
            try CertificateInspection.inspect(
                certificatePEM: try shop.text("leaf.crt"), keyPEM: Secret(try shop.bytes("locked.key")),
                passphrase: Secret("x"))
        }
        #expect(error?.description.hasPrefix("key: asks for too many rounds") == true)
    }

    @Test func noChangedBytesMakeItTrap() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = SeededGenerator(seed: seed)
        for options in [["-nomac", "-keypbe", "NONE", "-certpbe", "NONE"], ["-nomac"]] {
            let whole = try file(options).bytes
            var refused = 0
            for _ in 0..<1_000 {
                var bytes = whole
                for _ in 0..<Int.random(in: 1...3, using: &generator) {
                    bytes[Int.random(in: bytes.indices, using: &generator)] = .random(in: 0...255, using: &generator)
                }
                if refusal(Secret(bytes), Self.passphrase) != nil { refused += 1 }
            }
            #expect(refused > 0, "seed \(seed)")
        }
    }
}
