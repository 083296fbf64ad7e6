// Certificates: what is refused with which field, what is only warned about, and that PEM never comes back.

import ConsoleModel
import HTTPTypes
import HummingbirdTesting
import Testing

struct CertificateStories {
    private let harness: AdminHarness

    init() async throws {
        harness = try await AdminHarness()
    }

    @Test func aCertificateIsReadAndNotGivenBack() async throws {
        try await harness.story { client in
            let made = try await client.call(.post, "/v1/tls-certificates", certificateBody("one", PEM.good))
            #expect(made.status == 201)
            #expect(made["domains"] == .array(["a.test", "*.a.test"]))
            #expect(made["validityStart"] == "2020/01/01 00:00:00Z")
            #expect(made["validityEnd"] == "2120/01/01 00:00:00Z")
            #expect(made["cert"] == .null)
            #expect(made["key"] == .null)
            #expect(made.warnings == [])
            for path in ["/v1/tls-certificates", "/v1/tls-certificates/one"] {
                let shown = try await client.call(.get, path)
                #expect(shown.status == 200)
                #expect(!shown.text.contains("BEGIN"))
            }
        }
    }

    @Test(arguments: [
        (("garbage", PEM.good.key), "cert"),
        ((PEM.good.cert, "garbage"), "key"),
        ((PEM.good.cert, PEM.noSAN.key), "key"),
        ((PEM.good.key, PEM.good.cert), "cert"),
        ((PEM.good.cert, PEM.encryptedKey), "passphrase"),
        ((String(PEM.good.cert.prefix(200)), PEM.good.key), "cert"),
    ])
    func whatCannotBeServedIsRefused(pair: (cert: String, key: String), field: String) async throws {
        try await harness.story { client in
            let answer = try await client.call(.post, "/v1/tls-certificates", certificateBody("one", pair))
            #expect(answer.status == 400)
            #expect(answer.fields == [field])
            #expect(!answer.text.contains(pair.key.suffix(80).prefix(40)))
            #expect(try await client.call(.get, "/v1/tls-certificates/one").status == 404)
        }
    }

    @Test func anEncryptedKeyOpensWithItsPassphrase() async throws {
        try await harness.story { client in
            let pair = (cert: PEM.good.cert, key: PEM.encryptedKey)
            let wrong = try await client.call(
                .post, "/v1/tls-certificates", certificateBody("one", pair, #","passphrase":"wrong""#))
            #expect(wrong.status == 400)
            let made = try await client.call(
                .post, "/v1/tls-certificates", certificateBody("one", pair, #","passphrase":"open sesame""#))
            #expect(made.status == 201)
            #expect(made["passphrase"] == .null)
        }
    }

    @Test(arguments: [
        (PEM.noSAN, "(SAN)"), (PEM.expired, "expired"), (PEM.future, "not yet valid"),
    ])
    func whatIsUnwiseIsAWarningInEveryAnswer(pair: (cert: String, key: String), words: String) async throws {
        try await harness.story { client in
            let made = try await client.call(.post, "/v1/tls-certificates", certificateBody("one", pair))
            #expect(made.status == 201)
            #expect(made.warnings.contains { $0.contains(words) }, "\(made.warnings)")
            #expect(try await client.call(.get, "/v1/tls-certificates/one")["data", "warnings"] == made["warnings"])
        }
    }

    @Test func withoutPEMTheStoredOnesStay() async throws {
        try await harness.story { client in
            let made = try await client.call(.post, "/v1/tls-certificates", certificateBody("one", PEM.good))
            let shown = try await client.call(.get, "/v1/tls-certificates/one")
            let data = String(decoding: try ConsoleJSON.encode(try #require(shown["data"])), as: UTF8.self)
            let kept = try await client.call(.put, "/v1/tls-certificates/one", data)
            #expect(kept.status == 200)
            #expect(kept["version"] == made["version"])
            #expect(kept["domains"] == made["domains"])
            for part in [#"{"cert":\#(quoted(PEM.good.cert))}"#, #"{"key":\#(quoted(PEM.good.key))}"#] {
                #expect(try await client.call(.put, "/v1/tls-certificates/one", part).status == 400)
            }
        }
    }

    @Test func aReplacementKeepsTheName() async throws {
        try await harness.story { client in
            _ = try await client.call(.post, "/v1/tls-certificates", certificateBody("one", PEM.good))
            let changed = try await client.call(.put, "/v1/tls-certificates/one", certificateBody("other", PEM.noSAN))
            #expect(changed.status == 200)
            #expect(changed["name"] == "one")
            #expect(changed["domains"] == .array(["b.test"]))
            #expect(changed.warnings.contains("name: is one, as in the path."))
            #expect(
                try await client.call(.put, "/v1/tls-certificates/none", certificateBody("none", PEM.good)).status
                    == 404)
        }
    }

    @Test func whatADomainUsesStays() async throws {
        try await harness.story { client in
            _ = try await client.call(.post, "/v1/tls-certificates", certificateBody("one", PEM.good))
            for name in ["a.test", "x.a.test"] {
                _ = try await client.call(
                    .post, "/v1/domains", #"{"name":"\#(name)","enableHttps":"force","certIdentifier":"one"}"#)
            }
            let refused = try await client.call(.delete, "/v1/tls-certificates/one")
            #expect(refused.status == 409)
            #expect(refused["code"] == "in_use")
            #expect(refused["message"] == "The certificate one is in use by domain a.test, domain x.a.test.")
            #expect(refused["errors", "1", "message"] == "domain x.a.test")
            for name in ["a.test", "x.a.test"] { _ = try await client.call(.delete, "/v1/domains/\(name)") }
            #expect(try await client.call(.delete, "/v1/tls-certificates/one").status == 204)
        }
    }
}
