// Mirrors KeySet.swift and Consumer+Token.swift.

import ConsoleModel
import Testing

struct KeySetTests {
    private static let octets = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"
    private static let p256 =
        #""kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0""#

    private func consumer(_ jwks: String, _ more: String = "") throws -> Console.Consumer {
        let text =
            #"{"name":"a","credentials":[{"type":"jwt","issuer":"https://issuer.test","audiences":["b"],"jwks":\#(jwks)\#(more)}]}"#
        var consumer = try ConsoleJSON.decode(Console.Consumer.self, from: Array(text.utf8)).value
        consumer.normalize()
        return consumer
    }

    private func errors(_ keys: String, _ more: String = "") throws -> [String] {
        try consumer(#"{"keys":[\#(keys)]}"#, more).check().errors.map { "\($0.field): \($0.message)" }
    }

    private func fields(_ keys: String, _ more: String = "") throws -> [String] {
        try consumer(#"{"keys":[\#(keys)]}"#, more).check().errors.map {
            $0.field.replacing("credentials[0].", with: "").replacing("jwks.keys[0].", with: "")
        }
    }

    @Test func takesKeysOfAllTypes() throws {
        let rsa = #"{"kty":"RSA","e":"AQAB","n":"\#("u" + String(repeating: "A", count: 341))"}"#
        let ed = #"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","alg":"EdDSA"}"#
        let oct = #"{"kty":"oct","kid":"s","k":"\#(Self.octets)","alg":"HS512"}"#
        #expect(try errors([rsa, "{\(Self.p256),\"kid\":\"e\"}", ed, oct].joined(separator: ",")) == [])
    }

    @Test func aSetMayComeAsText() throws {
        let text = #""{\"keys\":[{\"kty\":\"oct\",\"kid\":\"s\",\"k\":\"\#(Self.octets)\"}]}""#
        #expect(try consumer(text).check().errors == [])
        #expect(throws: BodyError.self) { try consumer(#""nonsense""#) }
        #expect(throws: BodyError.self) { try consumer(#""{\"keys\":1}""#) }
    }

    @Test func saysWhatIsWrong() throws {
        #expect(try fields(#"{"kid":"a"}"#) == ["kty"])
        #expect(try fields(#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#) == ["n"])
        #expect(try fields(#"{"kty":"RSA","n":"\#("u" + String(repeating: "A", count: 341))","e":"AQ"}"#) == ["e"])
        #expect(try fields(#"{"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"}"#) == ["crv"])
        #expect(try fields(#"{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}"#) == ["x"])
        #expect(try fields(#"{"kty":"OKP","crv":"X25519","x":"AA"}"#) == ["crv"])
        #expect(try fields(#"{"kty":"oct","kid":"s","k":"AAAA"}"#) == ["k"])
        #expect(try fields(#"{"kty":"oct","kid":"s","k":"\#(Self.octets)="}"#) == ["k"])
        #expect(try fields(#"{"kty":"oct","k":"\#(Self.octets)"}"#) == ["kid"])
        #expect(try fields(#"{"kty":"oct","kid":"s"}"#) == ["k"])
        #expect(try fields(#"{\#(Self.p256),"alg":"RS256"}"#) == ["alg"])
        #expect(try fields(#"{\#(Self.p256),"alg":"none"}"#) == ["alg"])
        #expect(
            try fields(#"{"kty":"oct","kid":"s","k":"\#(String(repeating: "A", count: 43))","alg":"HS384"}"#) == ["k"])
        #expect(try fields("").contains("jwks"))
        let named = "{\(Self.p256),\"kid\":\"e\"}"
        #expect(try fields("\(named),\(named)") == ["jwks.keys[1].kid"])
        #expect(try fields(Array(repeating: "{\(Self.p256)}", count: 33).joined(separator: ",")) == ["jwks.keys"])
    }

    @Test func aPrivateHalfIsRefusedAndNotTold() throws {
        let told = try errors(#"{\#(Self.p256),"d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#)
        #expect(told.count == 1 && told[0].hasPrefix("credentials[0].jwks.keys[0]: Holds the private half"))
        #expect(!told[0].contains("jpsQnn"))
    }

    @Test func keysForEncryptionAreLeftOut() throws {
        let both = try consumer(#"{"keys":[{\#(Self.p256),"use":"enc"},{\#(Self.p256)}]}"#)
        #expect(both.check().errors == [] && both.check().warnings.count == 1)
        #expect(both.credentials[0].jwks?.signing.map(\.index) == [1])
        #expect(try fields(#"{\#(Self.p256),"use":"enc"}"#) == ["jwks.keys"])
    }

    @Test func otherFields() throws {
        let key = "{\(Self.p256)}"
        #expect(try fields(key, #","clockSkewSeconds":-1"#) == ["clockSkewSeconds"])
        #expect(try fields(key, #","source":"COOKIE""#) == ["source"])
        #expect(try fields(key, #","source":"QUERY""#) == ["key"])
        #expect(try fields(key, #","claimsToHeaders":[{"claim":"","header":"a b"}]"#).count == 2)
        #expect(
            try fields(key, #","claimsToHeaders":[{"claim":"sub","header":"X-A"},{"claim":"n","header":"x-a"}]"#)
                == ["claimsToHeaders[1].header"])
    }

    @Test func secretsAreKeptAndNotShown() throws {
        let stored = try consumer(#"{"keys":[{"kty":"oct","kid":"s","k":"\#(Self.octets)"}]}"#)
        #expect(stored.shown.credentials[0].jwks?.keys[0].k == nil)
        #expect(!"\(stored)".contains(Self.octets))
        let again = try consumer(#"{"keys":[{"kty":"oct","kid":"s"},{"kty":"oct","kid":"t"}]}"#).keepingSecrets(
            of: stored)
        #expect(again.credentials[0].jwks?.keys.map { $0.k?.value } == [Self.octets, nil])
    }
}
