// How the facts are read out of a chain.

import COpenSSL

extension CertificateFacts {
    /// Facts of a chain in PEM, leaf first, such as `CertificateInspection.chainPEM`.
    package static func read(chainPEM: String) throws(TLSMaterialError) -> CertificateFacts {
        let chain = try CertificateChain.read(chainPEM)
        return try CertificateFacts(chain)
    }

    init(_ chain: [CertificateHandle]) throws(TLSMaterialError) {
        guard let leaf = chain.first else { throw TLSMaterialError(.cert, "holds no certificate") }
        guard let notBefore = leaf.notBefore, let notAfter = leaf.notAfter else {
            throw TLSMaterialError(.cert, "has a validity that cannot be read")
        }
        let alternative = try AlternativeNames(leaf)
        var names: [String] = []
        for name in (leaf.commonName.map { [$0] } ?? []) + alternative.dns {
            guard !name.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7f }) else {
                throw TLSMaterialError(.cert, "has a name with control characters")
            }
            if !name.isEmpty && !names.contains(name) { names.append(name) }
        }
        self.names = names
        self.hasSAN = alternative.hasHost
        self.notBefore = notBefore
        self.notAfter = notAfter
        keyDescription = leaf.keyDescription
        selfSigned = leaf.isSelfSigned
        subject = leaf.subject
        issuer = leaf.issuer
        fingerprint = leaf.fingerprint
        chainExpiry = chain.dropFirst().compactMap { certificate in
            certificate.notAfter.map { ChainExpiry(subject: certificate.subject, notAfter: $0) }
        }.min { $0.notAfter < $1.notAfter }
        weaknesses = Self.weaknesses(chain, leaf: leaf, hasSAN: alternative.hasHost)
    }

    /// 112 bits are RSA 2048, P-224 and SHA-224: what OpenSSL and all browsers demand.
    private static let securityBits: Int32 = 112

    private static func weaknesses(
        _ chain: [CertificateHandle], leaf: CertificateHandle, hasSAN: Bool
    ) -> [CertificateWarning] {
        var warnings: [CertificateWarning] = hasSAN ? [] : [.noSAN]
        for certificate in chain {
            let bits = EVP_PKEY_get_security_bits(X509_get0_pubkey(certificate.x509))
            if bits < securityBits {
                warnings.append(.weak("the key of \(certificate.subject) is weak (\(certificate.keyDescription))"))
            }
            var digest: Int32 = 0
            var strength: Int32 = 0
            let known = X509_get_signature_info(certificate.x509, &digest, nil, &strength, nil) == 1
            // Nobody checks the signature of a root: it is trusted or not by itself.
            if known && strength < securityBits && !certificate.isSelfSigned {
                let name = OBJ_nid2sn(digest).map { String(cString: $0) } ?? "an old algorithm"
                warnings.append(.weak("\(certificate.subject) is signed with \(name), which is weak"))
            }
        }
        if X509_get_extended_key_usage(leaf.x509) & UInt32(XKU_SSL_SERVER) == 0 { warnings.append(.notForServers) }
        ERR_clear_error()
        return warnings
    }
}

extension CertificateHandle {
    /// Of any key, supported or not: for facts and warnings.
    fileprivate var keyDescription: String {
        guard let key = X509_get0_pubkey(x509) else { return "unknown" }
        switch EVP_PKEY_get_base_id(key) {
        case EVP_PKEY_RSA: return "RSA \(EVP_PKEY_get_bits(key))"
        case EVP_PKEY_ED25519: return "Ed25519"
        case EVP_PKEY_EC: return "ECDSA P-\(EVP_PKEY_get_bits(key))"
        default: return EVP_PKEY_get0_type_name(key).map { String(cString: $0) } ?? "unknown"
        }
    }
}

/// What the subjectAltName of a certificate holds.
private struct AlternativeNames {
    var dns: [String] = []
    /// Whether it has a DNS name or an address at all.
    var hasHost = false

    init(_ certificate: CertificateHandle) throws(TLSMaterialError) {
        var malformed: Int32 = 0
        guard let names = causeway_san(certificate.x509, &malformed) else {
            ERR_clear_error()
            if malformed != 0 { throw TLSMaterialError(.cert, "has a subjectAltName that cannot be read") }
            return
        }
        defer { causeway_san_free(names) }
        for index in 0..<causeway_san_count(names) {
            let type = causeway_san_type(names, index)
            hasHost = hasHost || type == GEN_DNS || type == GEN_IPADD
            guard let name = causeway_san_dns(names, index) else { continue }
            let bytes = UnsafeBufferPointer(start: ASN1_STRING_get0_data(name), count: Int(ASN1_STRING_length(name)))
            // IA5String by definition; anything else would be shown as something that it is not.
            guard bytes.allSatisfy({ $0 < 0x80 }) else {
                throw TLSMaterialError(.cert, "has a DNS name that is not ASCII")
            }
            dns.append(String(decoding: bytes, as: UTF8.self))
        }
    }
}
