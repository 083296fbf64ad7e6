// Mirrors VerificationKey.swift and PublicKeyForm.swift: what OpenSSL's own command writes is what is made here out of the numbers.

import Seal
import TLSMaterial
import Testing

struct VerificationKeyTests {
    private func bytes(_ hex: String) throws -> [UInt8] { try #require(Hex.decode(hex)) }

    /// RFC 7515, appendix A.3.1.
    private let x = "7fcdce2770f6c45d4183cbee6fdb4b7b580733357be9ef13bacf6e3c7bd15445"
    private let y = "c7f144cd1bbd9b7e872cdfedb9eeb9f4b3695d6ea90b24ad8a4623288588e5ad"

    @Test func aPointOfTheCurveIsAKey() throws {
        let form = PublicKeyForm.curve(bits: 256, x: try bytes(x), y: try bytes(y))
        _ = try VerificationKey(.curve(256), Secret(form.der))
        for other in [VerificationKey.Kind.curve(384), .rsa, .ed25519] {
            #expect(throws: TLSMaterialError.self) { try VerificationKey(other, Secret(form.der)) }
        }
        #expect(throws: TLSMaterialError.self) { try VerificationKey(.curve(256), Secret(form.der + [0])) }
        #expect(throws: TLSMaterialError.self) { try VerificationKey(.curve(256), Secret(Array(form.der.dropLast()))) }
    }

    @Test func apointBesideItIsNone() throws {
        var beside = try bytes(y)
        beside[31] ^= 1
        let form = PublicKeyForm.curve(bits: 256, x: try bytes(x), y: beside)
        #expect(throws: TLSMaterialError.self) { try VerificationKey(.curve(256), Secret(form.der)) }
    }

    /// RFC 8037, appendix A.1.
    @Test func ed25519() throws {
        let key = try bytes("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
        #expect(PublicKeyForm.ed25519(key).der == (try bytes("302a300506032b6570032100")) + key)
        _ = try VerificationKey(.ed25519, Secret(PublicKeyForm.ed25519(key).der))
    }

    /// As the command writes it; out of the numbers that stand in it.
    @Test(arguments: [(2_048, true), (1_024, false)]) func rsa(_ bits: Int, _ isTaken: Bool) throws {
        let shop = try Workshop()
        try shop.key("k", "RSA", "rsa_keygen_bits:\(bits)")
        try shop.openssl("pkey", "-in", "k.key", "-pubout", "-outform", "DER", "-out", "k.der")
        let der = try shop.bytes("k.der")
        // The modulus stands in front of the exponent 65537, which ends it all.
        let modulus = Array(der.dropLast(5).suffix(bits / 8))
        #expect(PublicKeyForm.rsa(modulus: modulus, exponent: [1, 0, 1]).der == der)
        if isTaken {
            _ = try VerificationKey(.rsa, Secret(der))
        } else {
            #expect(throws: TLSMaterialError.self) { try VerificationKey(.rsa, Secret(der)) }
        }
        #expect(throws: TLSMaterialError.self, "with a small factor") {
            try VerificationKey(
                .rsa, Secret(PublicKeyForm.rsa(modulus: Array(repeating: 0xff, count: 256), exponent: [3]).der))
        }
    }
}
