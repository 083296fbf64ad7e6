// What is accepted: every supported kind of key, every form of PEM that people paste, chains in any order; with the facts
// and the warnings. What is refused has a file of its own.

import Foundation
import Seal
import TLSMaterial
import Testing

@Suite struct CertificateInspectionTests {
    private func inspect(_ shop: Workshop, _ name: String) throws -> CertificateInspection {
        try CertificateInspection.inspect(
            certificatePEM: try shop.text("\(name).crt"), keyPEM: Secret(try shop.bytes("\(name).key")))
    }

    private var now: Int64 { Int64(Date().timeIntervalSince1970) }

    @Test(
        arguments: [
            ("RSA", "rsa_keygen_bits:2048", "RSA 2048"), ("EC", "ec_paramgen_curve:P-256", "ECDSA P-256"),
            ("EC", "ec_paramgen_curve:P-384", "ECDSA P-384"), ("ED25519", nil, "Ed25519"),
        ] as [(String, String?, String)])
    func everySupportedKindOfKeyIsAccepted(algorithm: String, option: String?, kind: String) throws {
        let shop = try Workshop()
        try shop.key("a", algorithm, option)
        try shop.certificate(
            "a", cn: "demo.kubesre.com",
            extensions: ["subjectAltName=DNS:demo.kubesre.com,DNS:*.kubesre.com,IP:10.0.0.1"])
        let found = try inspect(shop, "a")
        #expect(found.keyDescription == kind)
        #expect(found.names == ["demo.kubesre.com", "*.kubesre.com"])
        #expect(found.hasSAN)
        #expect(found.selfSigned)
        #expect(found.subject == "CN=demo.kubesre.com" && found.issuer == found.subject)
        #expect(found.notAfter - found.notBefore == 30 * 86_400)
        #expect(abs(found.notBefore - now) < 3_600)
        #expect(found.warnings(now: now) == [])
        #expect(found.chainLength == 1)
        let key = String(decoding: found.keyPEM.bytes, as: UTF8.self)
        #expect(key.hasPrefix("-----BEGIN PRIVATE KEY-----\n"))
        let again = try CertificateInspection.inspect(certificatePEM: found.chainPEM, keyPEM: found.keyPEM)
        #expect(again.chainPEM == found.chainPEM && again.keyPEM == found.keyPEM, "the normal form is stable")
        #expect(try CertificateFacts.read(chainPEM: found.chainPEM) == found.facts)
    }

    @Test func theFingerprintIsThatOfTheCertificate() throws {
        let shop = try Workshop()
        try shop.ecKey("a")
        try shop.certificate("a", cn: "a")
        try shop.openssl("x509", "-in", "a.crt", "-outform", "DER", "-out", "a.der")
        #expect(try inspect(shop, "a").fingerprint == SHA256.hash(try shop.bytes("a.der")))
    }

    @Test func theStorysCertificateWithoutSANIsAcceptedWithAWarning() throws {
        let shop = try Workshop()
        try shop.openssl(
            "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-aes-256-cbc", "-pass", "pass:secret",
            "-out", "ca.key")
        try shop.openssl(
            "req", "-x509", "-new", "-key", "ca.key", "-passin", "pass:secret", "-days", "3650", "-subj",
            "/CN=*.kubesre.com", "-out", "ca.crt")
        try shop.key("demo", "RSA", "rsa_keygen_bits:2048")
        try shop.openssl("req", "-new", "-key", "demo.key", "-subj", "/CN=demo.kubesre.com", "-out", "demo.csr")
        try shop.openssl(
            "x509", "-req", "-days", "3650", "-sha256", "-in", "demo.csr", "-CA", "ca.crt", "-CAkey", "ca.key",
            "-passin",
            "pass:secret", "-CAcreateserial", "-out", "demo.crt")
        let found = try inspect(shop, "demo")
        #expect(found.names == ["demo.kubesre.com"])
        #expect(!found.hasSAN && !found.selfSigned)
        #expect(found.issuer == "CN=*.kubesre.com")
        #expect(found.warnings(now: now).map(\.code) == ["no-san"])
    }

    @Test func datesThatHavePassedOrNotComeAreWarnedAbout() throws {
        let shop = try Workshop()
        try shop.ecKey("old")
        try shop.certificate("old", cn: "old.com", from: "20200101000000Z", to: "20210101000000Z")
        try shop.ecKey("new")
        try shop.certificate("new", cn: "new.com", from: "20600101000000Z", to: "20610101000000Z")
        let old = try inspect(shop, "old")
        #expect(old.notAfter == 1_609_459_200)
        #expect(old.warnings(now: now) == [.expired(since: 1_609_459_200)])
        #expect(old.warnings(now: now).first?.description == "the certificate expired on 2021-01-01 00:00:00 UTC")
        #expect(old.warnings(now: 1_609_459_200) == [])
        #expect(old.warnings(now: 1_609_459_201).map(\.code) == ["expired"])
        let new = try inspect(shop, "new")
        #expect(new.warnings(now: now) == [.notYetValid(until: new.notBefore)])
        #expect(new.warnings(now: new.notBefore) == [])
    }

    @Test func chainsAreOrderedLeafFirst() throws {
        let shop = try Workshop()
        try shop.chain()
        let (leaf, middle, root) = (try shop.text("leaf.crt"), try shop.text("middle.crt"), try shop.text("root.crt"))
        let key = Secret(try shop.bytes("leaf.key"))
        for parts in [[leaf, middle, root], [root, middle, leaf], [middle, leaf, root], [leaf, root, middle, leaf]] {
            let found = try CertificateInspection.inspect(certificatePEM: parts.joined(), keyPEM: key)
            #expect(found.chainPEM == leaf + middle + root)
            #expect(found.chainLength == 3)
            #expect(found.names == ["leaf.com"])
        }
        for parts in [[leaf], [leaf, middle], [middle, leaf]] {
            let found = try CertificateInspection.inspect(certificatePEM: parts.joined(), keyPEM: key)
            #expect(found.chainLength == parts.count, "a missing issuer is fine")
            #expect(found.names == ["leaf.com"])
        }
    }

    @Test func anIssuerThatExpiredIsWarnedAbout() throws {
        let shop = try Workshop()
        try shop.chain(rootFrom: "20200101000000Z", to: "20210101000000Z")
        let pem = try ["leaf.crt", "middle.crt", "root.crt"].map { try shop.text($0) }.joined()
        let found = try CertificateInspection.inspect(certificatePEM: pem, keyPEM: Secret(try shop.bytes("leaf.key")))
        #expect(found.warnings(now: now) == [.chainExpired(subject: "CN=Root", since: 1_609_459_200)])
    }

    @Test func certificatesForClientsOnlyAreWarnedAbout() throws {
        let shop = try Workshop()
        try shop.ecKey("a")
        try shop.certificate("a", cn: "a", extensions: ["subjectAltName=DNS:a.com", "extendedKeyUsage=clientAuth"])
        #expect(try inspect(shop, "a").warnings(now: now) == [.notForServers])
    }

    @Test func textAroundAndLineEndsDoNotMatter() throws {
        let shop = try Workshop()
        try shop.ecKey("a")
        try shop.certificate("a", cn: "a.com", extensions: ["subjectAltName=DNS:a.com"])
        let (cert, key) = (try shop.text("a.crt"), try shop.text("a.key"))
        let plain = try inspect(shop, "a")
        func crlf(_ text: String) -> String { text.replacing("\n", with: "\r\n") }
        for wrap: (String) -> String in [
            crlf, { "Bag Attributes\n    friendlyName: x\n\($0)\nsome text\n" }, { "\n\n  \n" + crlf($0) + "\r\n\r\n" },
            { String($0.dropLast()) }, { "\u{feff}" + $0 },
        ] {
            let found = try CertificateInspection.inspect(certificatePEM: wrap(cert), keyPEM: Secret(wrap(key)))
            #expect(found.chainPEM == plain.chainPEM && found.keyPEM == plain.keyPEM)
        }
    }

    @Test(arguments: [
        ["pkcs8", "-topk8", "-v2", "aes-256-cbc"], ["pkey", "-traditional", "-aes128"],
        ["pkcs8", "-topk8", "-scrypt", "-scrypt_N", "1024", "-scrypt_r", "8", "-scrypt_p", "1"],
    ])
    func encryptedKeysOpenWithTheirPassphraseOnly(conversion: [String]) throws {
        let shop = try Workshop()
        try shop.key("a", "RSA", "rsa_keygen_bits:2048")
        try shop.certificate("a", cn: "a")
        try shop.openssl(conversion + ["-in", "a.key", "-passout", "pass:geheim ü:", "-out", "locked.key"])
        let cert = try shop.text("a.crt")
        let locked = Secret(try shop.bytes("locked.key"))
        let open = try CertificateInspection.inspect(
            certificatePEM: cert, keyPEM: locked, passphrase: Secret("geheim ü:"))
        #expect(open.keyPEM == (try inspect(shop, "a")).keyPEM)
        let missing = #expect(throws: TLSMaterialError.self) {
            try CertificateInspection.inspect(certificatePEM: cert, keyPEM: locked)
        }
        #expect(missing == TLSMaterialError(.passphrase, "is needed: the key is encrypted"))
        for wrong in ["", "geheim", String(repeating: "x", count: 5_000)] {
            let error = #expect(throws: TLSMaterialError.self) {
                try CertificateInspection.inspect(certificatePEM: cert, keyPEM: locked, passphrase: Secret(wrong))
            }
            #expect(error == TLSMaterialError(.passphrase, "does not open the key"))
        }
    }

    @Test func aPassphraseForAKeyThatIsNotEncryptedIsIgnored() throws {
        let shop = try Workshop()
        try shop.ecKey("a")
        try shop.certificate("a", cn: "a")
        let found = try CertificateInspection.inspect(
            certificatePEM: try shop.text("a.crt"), keyPEM: Secret(try shop.bytes("a.key")), passphrase: Secret("x"))
        #expect(found.keyPEM == (try inspect(shop, "a")).keyPEM)
    }

    @Test func traditionalKeyFilesWithParametersAreRead() throws {
        let shop = try Workshop()
        try shop.openssl("ecparam", "-name", "prime256v1", "-genkey", "-out", "a.key")
        try shop.certificate("a", cn: "a")
        #expect(try shop.text("a.key").contains("BEGIN EC PARAMETERS"))
        #expect(try inspect(shop, "a").keyDescription == "ECDSA P-256")
    }
}

extension Workshop {
    /// `leaf`, issued by `middle`, issued by `root`.
    func chain(rootFrom: String? = nil, to: String? = nil) throws {
        for name in ["root", "middle", "leaf"] { try ecKey(name) }
        if let rootFrom, let to {
            try certificate("root", cn: "Root", from: rootFrom, to: to)
        } else {
            try certificate("root", cn: "Root", extensions: ["basicConstraints=critical,CA:TRUE"])
        }
        try certificate("middle", cn: "Middle", issuer: "root", extensions: ["basicConstraints=critical,CA:TRUE"])
        try certificate("leaf", cn: "leaf.com", issuer: "middle", extensions: ["subjectAltName=DNS:leaf.com"])
    }
}
