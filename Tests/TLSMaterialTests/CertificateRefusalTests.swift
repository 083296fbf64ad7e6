// What is refused, with the field and the words; and that no bytes make it trap.

import Foundation
import Seal
import TLSMaterial
import Testing

@Suite struct CertificateRefusalTests {
    /// A key and certificate that fit, and another pair that does not fit them.
    private struct Pairs {
        let shop: Workshop
        let cert, key, otherCert, otherKey: String

        init() throws {
            shop = try Workshop()
            for name in ["a", "b"] {
                try shop.ecKey(name)
                try shop.certificate(name, cn: "\(name).com", extensions: ["subjectAltName=DNS:\(name).com"])
            }
            cert = try shop.text("a.crt")
            key = try shop.text("a.key")
            otherCert = try shop.text("b.crt")
            otherKey = try shop.text("b.key")
        }
    }

    private func refusal(_ cert: String, _ key: String) -> String? {
        do throws(TLSMaterialError) {
            _ = try CertificateInspection.inspect(certificatePEM: cert, keyPEM: Secret(key))
            return nil
        } catch {
            return error.description
        }
    }

    @Test func aKeyOfAnotherCertificateIsRefused() throws {
        let pairs = try Pairs()
        #expect(refusal(pairs.cert, pairs.otherKey) == "key: does not belong to the certificate (CN=a.com)")
        #expect(refusal(pairs.cert, pairs.key) == nil)
    }

    @Test func aChainWithoutTheLeafIsRefused() throws {
        let shop = try Workshop()
        try shop.chain()
        let (middle, root) = (try shop.text("middle.crt"), try shop.text("root.crt"))
        // A leaf is no issuer, whatever its name.
        #expect(
            refusal(middle + root, try shop.text("leaf.key")) == "key: does not belong to the certificate (CN=Middle)")
    }

    @Test func whatIsNoPEMIsNamed() throws {
        let pairs = try Pairs()
        for text in ["", "garbage", "-----BEGIN", "MIIB", "\0\0", "-----END CERTIFICATE-----\n"] {
            #expect(
                refusal(text, pairs.key) == "cert: holds no certificate in PEM (`-----BEGIN CERTIFICATE-----`)",
                "\(text)")
            #expect(
                refusal(pairs.cert, text) == "key: holds no private key in PEM (`-----BEGIN PRIVATE KEY-----`)",
                "\(text)")
        }
    }

    @Test func damagedBlocksAreCounted() throws {
        let pairs = try Pairs()
        let cut = String(pairs.cert.prefix(pairs.cert.count / 2))
        #expect(refusal(cut, pairs.key) == "cert: PEM block 1 is damaged or cut off")
        #expect(refusal(pairs.cert + cut, pairs.key) == "cert: PEM block 2 is damaged or cut off")
        #expect(refusal(pairs.cert, String(pairs.key.prefix(60))) == "key: PEM block 1 is damaged or cut off")
        #expect(
            refusal(pairs.cert.replacing("MII", with: "M?I"), pairs.key) == "cert: PEM block 1 is damaged or cut off")
        let empty = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
        #expect(refusal(pairs.cert + empty, pairs.key) == "cert: PEM block 2 is not a certificate that can be read")
        let noKey = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
        #expect(refusal(pairs.cert, noKey) == "key: is not a private key that can be read")
    }

    @Test func whatBelongsIntoAnotherFieldIsNamed() throws {
        let pairs = try Pairs()
        let shop = pairs.shop
        try shop.openssl("req", "-new", "-key", "a.key", "-subj", "/CN=a", "-out", "a.csr")
        try shop.openssl("pkey", "-in", "a.key", "-pubout", "-out", "a.pub")
        #expect(refusal(pairs.key, pairs.key) == "cert: holds a PRIVATE KEY where only certificates belong")
        #expect(
            refusal(pairs.cert + pairs.key, pairs.key) == "cert: holds a PRIVATE KEY where only certificates belong")
        #expect(
            refusal(try shop.text("a.csr"), pairs.key)
                == "cert: holds a CERTIFICATE REQUEST where only certificates belong")
        #expect(refusal(pairs.cert, pairs.cert) == "key: holds a CERTIFICATE and no private key")
        #expect(refusal(pairs.cert, try shop.text("a.pub")) == "key: holds a PUBLIC KEY and no private key")
        #expect(
            refusal(pairs.cert, pairs.key + pairs.cert)
                == "key: holds a CERTIFICATE beside the private key; keep only the key")
        #expect(refusal(pairs.cert, pairs.key + pairs.otherKey) == "key: holds 2 private keys instead of one")
        let ssh = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"
        #expect(refusal(pairs.cert, ssh) == "key: is an OpenSSH key; `ssh-keygen -p -m PKCS8` converts it")
    }

    @Test func sizesAreBounded() throws {
        let pairs = try Pairs()
        let large = String(repeating: "x\n", count: 300_000)
        #expect(refusal(large, pairs.key) == "cert: is larger than 512 KiB")
        #expect(refusal(pairs.cert, large) == "key: is larger than 512 KiB")
        #expect(
            refusal(String(repeating: pairs.cert, count: 17), pairs.key) == "cert: holds more than 16 PEM blocks")
    }

    @Test(
        arguments: [
            ("EC", "ec_paramgen_curve:secp256k1", "the elliptic curve secp256k1"),
            ("EC", "ec_paramgen_curve:P-521", "the elliptic curve secp521r1"), ("ED448", nil, "ED448"),
            ("RSA-PSS", "rsa_keygen_bits:2048", "RSA-PSS"),
        ] as [(String, String?, String)])
    func keysThatClientsDoNotTakeAreRefused(algorithm: String, option: String?, kind: String) throws {
        let shop = try Workshop()
        try shop.key("a", algorithm, option)
        try shop.certificate("a", cn: "a")
        #expect(
            refusal(try shop.text("a.crt"), try shop.text("a.key"))
                == "key: is of a kind that is not supported (\(kind)): use RSA, ECDSA P-256 or P-384, or Ed25519")
    }

    @Test func whatOpenSSLWouldNotServeIsRefused() throws {
        let shop = try Workshop()
        try shop.key("small", "RSA", "rsa_keygen_bits:1024")
        try shop.certificate("small", cn: "a")
        #expect(
            refusal(try shop.text("small.crt"), try shop.text("small.key"))
                == "key: is too small: RSA needs 2048 bits at least")
        try shop.ecKey("root")
        try shop.certificate("root", cn: "Root", extensions: ["basicConstraints=critical,CA:TRUE"])
        try shop.ecKey("old")
        try shop.certificate("old", cn: "a", issuer: "root", options: ["-sha1"])
        #expect(
            refusal(try shop.text("old.crt"), try shop.text("old.key"))
                == "cert: is signed with a digest that is too weak (SHA-1 or older)")
    }

    @Test func aKeyFileWithForeignPublicHalfIsRefused() throws {
        // The public half of `b` in the file of `a`: comparing public halves alone would let it pass.
        let pairs = try Pairs()
        var halves: [[UInt8]] = []
        for name in ["a", "b"] {
            try pairs.shop.openssl("ec", "-in", "\(name).key", "-outform", "DER", "-out", "\(name).der")
            halves.append(try pairs.shop.bytes("\(name).der"))
        }
        let mixed = halves[0].dropLast(65) + halves[1].suffix(65)
        let text = Data(mixed).base64EncodedString(options: [.lineLength64Characters, .endLineWithLineFeed])
        let key = "-----BEGIN EC PRIVATE KEY-----\n\(text)\n-----END EC PRIVATE KEY-----\n"
        #expect(
            refusal(pairs.otherCert, key) == "key: is damaged: what it signs does not verify with the certificate")
    }

    @Test func namesWithControlCharactersAreRefused() throws {
        let shop = try Workshop()
        try shop.ecKey("a")
        try shop.certificate("a", cn: "a\nb")
        #expect(
            refusal(try shop.text("a.crt"), try shop.text("a.key")) == "cert: has a name with control characters")
    }

    @Test func noChangedBytesMakeItTrap() throws {
        let pairs = try Pairs()
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = SeededGenerator(seed: seed)
        try pairs.shop.openssl("x509", "-in", "a.crt", "-outform", "DER", "-out", "a.der")
        let der = try pairs.shop.bytes("a.der")
        var accepted = 0
        for round in 0..<1_000 {
            var changed = der
            for _ in 0..<Int.random(in: 1...3, using: &generator) {
                let place = Int.random(in: changed.indices, using: &generator)
                switch UInt8.random(in: 0...2, using: &generator) {
                case 0: changed[place] = UInt8.random(in: 0...255, using: &generator)
                case 1: changed.remove(at: place)
                default: changed.insert(UInt8.random(in: 0...255, using: &generator), at: place)
                }
            }
            let text = Data(changed).base64EncodedString(options: [.lineLength64Characters, .endLineWithLineFeed])
            let cert = "-----BEGIN CERTIFICATE-----\n\(text)\n-----END CERTIFICATE-----\n"
            let facts = try? CertificateFacts.read(chainPEM: cert)
            if facts != nil { accepted += 1 }
            if refusal(cert, pairs.key) == nil {
                #expect(facts != nil, "seed \(seed), round \(round)")
            }
        }
        #expect(accepted > 0, "some changes leave a certificate that can be read")
        for _ in 0..<500 {
            var text = Array(pairs.key.utf8)
            let place = Int.random(in: text.indices, using: &generator)
            text[place] = UInt8.random(in: 0...255, using: &generator)
            _ = try? CertificateInspection.inspect(certificatePEM: pairs.cert, keyPEM: Secret(text))
        }
    }
}

/// SplitMix64: random input that a printed seed repeats.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
        return z ^ z >> 31
    }
}
