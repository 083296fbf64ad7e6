// What is said about chains that are taken all the same.

import Seal
import TLSMaterial
import Testing

@Suite struct ChainHintTests {
    private let shop: Workshop
    private let leaf, middle, root: String

    init() throws {
        shop = try Workshop()
        try shop.chain()
        (leaf, middle, root) = (try shop.text("leaf.crt"), try shop.text("middle.crt"), try shop.text("root.crt"))
    }

    private func inspect(_ parts: String...) throws -> CertificateInspection {
        try CertificateInspection.inspect(certificatePEM: parts.joined(), keyPEM: Secret(try shop.bytes("leaf.key")))
    }

    @Test func aMissingIssuerIsNamed() throws {
        #expect(
            try inspect(leaf).hints == [.issuerMissing(subject: "CN=leaf.com", issuer: "CN=Middle", place: nil)])
        #expect(
            try inspect(leaf, middle).hints == [.issuerMissing(subject: "CN=Middle", issuer: "CN=Root", place: nil)])
    }

    @Test func whereTheIssuerIsSaidToBeIsTold() throws {
        try shop.certificate(
            "leaf", cn: "leaf.com", issuer: "middle",
            extensions: [
                "authorityInfoAccess=OCSP;URI:http://ocsp.test/,caIssuers;URI:ldap://x/,caIssuers;URI:http://ca.test/middle.crt"
            ])
        let found = try CertificateInspection.inspect(
            certificatePEM: try shop.text("leaf.crt"), keyPEM: Secret(try shop.bytes("leaf.key")))
        let hint = ChainHint.issuerMissing(
            subject: "CN=leaf.com", issuer: "CN=Middle", place: "http://ca.test/middle.crt")
        #expect(found.hints == [hint])
        #expect(hint.isLasting)
        #expect(hint.description.contains("CN=Middle") && hint.description.contains("http://ca.test/middle.crt"))
    }

    @Test func aPlaceThatATerminalWouldActOnIsNotTold() throws {
        try shop.certificate(
            "leaf", cn: "leaf.com", issuer: "middle",
            extensions: ["authorityInfoAccess=caIssuers;URI:http://ca.test/\u{1b}[2J"])
        let found = try CertificateInspection.inspect(
            certificatePEM: try shop.text("leaf.crt"), keyPEM: Secret(try shop.bytes("leaf.key")))
        #expect(found.hints == [.issuerMissing(subject: "CN=leaf.com", issuer: "CN=Middle", place: nil)])
    }

    @Test func aRootIsSuperfluous() throws {
        let found = try inspect(leaf, middle, root)
        #expect(found.hints == [.superfluousRoot(subject: "CN=Root")])
        #expect(found.chainLength == 3, "it is kept: whoever sends it may have a reason")
        try shop.certificate("leaf", cn: "leaf.com")
        let own = try CertificateInspection.inspect(
            certificatePEM: try shop.text("leaf.crt"), keyPEM: Secret(try shop.bytes("leaf.key")))
        #expect(own.hints == [], "one that signed itself needs nobody")
    }

    @Test func anotherOrderIsTold() throws {
        #expect(try inspect(middle, leaf, root).hints.contains(.reordered))
        #expect(try inspect(leaf, root, middle).hints.contains(.reordered))
        #expect(try !inspect(leaf, middle, leaf, root).hints.contains(.reordered), "twice is no order")
    }

    @Test func strangersAreLeftOut() throws {
        try shop.ecKey("fake")
        // The same name and another key: only the signature tells.
        try shop.certificate("fake", cn: "Middle", issuer: "root", extensions: ["basicConstraints=critical,CA:TRUE"])
        let fake = try inspect(leaf, try shop.text("fake.crt"))
        #expect(fake.chainPEM == leaf)
        #expect(
            fake.hints == [
                .unrelated(place: 2, subject: "CN=Middle"),
                .issuerMissing(subject: "CN=leaf.com", issuer: "CN=Middle", place: nil),
            ])
        let gap = try inspect(root, leaf)
        #expect(gap.chainPEM == leaf && gap.hints.first == .unrelated(place: 1, subject: "CN=Root"))
        let whole = try inspect(leaf, try shop.text("fake.crt"), middle)
        #expect(whole.chainPEM == leaf + middle)
        #expect(!whole.hints.contains(.reordered))
    }
}
