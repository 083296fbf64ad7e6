// The worker's side: loading, laziness, and which hosts an identity covers.

import Seal
import TLSMaterial
import Testing

@Suite struct TLSIdentityLoaderTests {
    private func identity(
        _ shop: Workshop, cn: String, san: String? = nil
    ) throws -> (chain: String, key: Secret) {
        try shop.ecKey("a")
        try shop.certificate("a", cn: cn, extensions: san.map { ["subjectAltName=\($0)"] } ?? [])
        return (try shop.text("a.crt"), Secret(try shop.bytes("a.key")))
    }

    private func covers(_ identity: LoadedTLSIdentity, _ host: String) -> Bool {
        Array(host.utf8).withUnsafeBytes { identity.covers($0) }
    }

    @Test func whatInspectionPassedLoads() throws {
        let shop = try Workshop()
        try shop.chain()
        let pem = try ["root.crt", "middle.crt", "leaf.crt"].map { try shop.text($0) }.joined()
        let found = try CertificateInspection.inspect(certificatePEM: pem, keyPEM: Secret(try shop.bytes("leaf.key")))
        let loaded = try TLSIdentityLoader.load(certificateChain: found.chainPEM, privateKey: found.keyPEM)
        #expect(loaded.chain.count == 2)
        #expect(covers(loaded, "leaf.com"))
    }

    @Test func theChainHasToBeginWithTheLeaf() throws {
        let shop = try Workshop()
        try shop.chain()
        let pem = try ["middle.crt", "leaf.crt"].map { try shop.text($0) }.joined()
        let error = #expect(throws: TLSMaterialError.self) {
            try TLSIdentityLoader.load(certificateChain: pem, privateKey: Secret(try shop.bytes("leaf.key")))
        }
        #expect(error == TLSMaterialError(.key, "does not belong to the first certificate (CN=Middle)"))
    }

    @Test func damagedMaterialIsAnErrorAndStaysOne() throws {
        let broken = LazyTLSIdentity(certificateChain: "no PEM", privateKey: Secret("neither"))
        for _ in 0..<2 {
            let error = #expect(throws: TLSMaterialError.self) { try broken.load() }
            #expect(error?.field == .cert)
        }
    }

    @Test func allWhoComeAtOnceGetTheSameIdentity() async throws {
        let (chain, key) = try identity(try Workshop(), cn: "a.com")
        let lazy = LazyTLSIdentity(certificateChain: chain, privateKey: key)
        let found = try await withThrowingTaskGroup(of: LoadedTLSIdentity.self) { group in
            for _ in 0..<16 { group.addTask { try lazy.load() } }
            return try await group.reduce(into: Set<ObjectIdentifier>()) { $0.insert(ObjectIdentifier($1)) }
        }
        #expect(found.count == 1)
    }

    @Test func aThousandThatNobodyAsksForAreNeverParsed() throws {
        let (chain, _) = try identity(try Workshop(), cn: "a.com")
        // Parsing would fail: the key is none.
        let many = (0..<1_000).map { _ in LazyTLSIdentity(certificateChain: chain, privateKey: Secret("-")) }
        #expect(throws: TLSMaterialError.self) { try many[999].load() }
    }

    @Test(arguments: [
        ("demo.kubesre.com", true), ("DEMO.kubesre.COM", true), ("a.wild.com", true), ("a.b.wild.com", false),
        ("wild.com", false), ("kubesre.com", false), ("x.demo.kubesre.com", false), ("", false), (".wild.com", false),
        (".com", false), ("only-in-cn.com", false), ("10.0.0.1", true), ("10.0.0.2", false), ("[::1]", true),
        ("::1", true), ("[::2]", false), ("demo.kubesre.com\0", false), ("demo.kubesre.com.evil.com", false),
        ("demo.kubesre.com:443", false), ("*.wild.com", false), ("[", false), ("[]", false),
    ])
    func namesAreCoveredByTheSANAlone(host: String, expected: Bool) throws {
        let loaded = try Self.withSAN.get()
        #expect(covers(loaded, host) == expected)
    }

    private static let withSAN = Result {
        let shop = try Workshop()
        try shop.ecKey("a")
        try shop.certificate(
            "a", cn: "only-in-cn.com",
            extensions: ["subjectAltName=DNS:demo.kubesre.com,DNS:*.wild.com,IP:10.0.0.1,IP:::1"])
        return try TLSIdentityLoader.load(
            certificateChain: try shop.text("a.crt"), privateKey: Secret(try shop.bytes("a.key")))
    }

    @Test func withoutSANTheCommonNameCounts() throws {
        let (chain, key) = try identity(try Workshop(), cn: "*.kubesre.com")
        let loaded = try TLSIdentityLoader.load(certificateChain: chain, privateKey: key)
        #expect(covers(loaded, "demo.kubesre.com"))
        #expect(!covers(loaded, "kubesre.com"))
    }
}
