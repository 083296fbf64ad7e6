// The certificates of one identity: read from PEM, and put in the order that TLS wants, each followed by its issuer.

/// Reading and ordering of chains.
enum CertificateChain {
    /// More than any chain needs; bounds the work of ordering.
    static let maxCertificates = 16

    /// The certificates of that text as they stand there.
    static func read(_ pem: String) throws(TLSMaterialError) -> [CertificateHandle] {
        let blocks = try PEMBlock.read(Array(pem.utf8), field: .cert)
        guard !blocks.isEmpty else {
            throw TLSMaterialError(.cert, "holds no certificate in PEM (`-----BEGIN CERTIFICATE-----`)")
        }
        guard blocks.count <= maxCertificates else {
            throw TLSMaterialError(.cert, "holds more than \(maxCertificates) PEM blocks")
        }
        var certificates: [CertificateHandle] = []
        for (index, block) in blocks.enumerated() {
            guard block.label == "CERTIFICATE" || block.label == "X509 CERTIFICATE" else {
                throw TLSMaterialError(.cert, "holds a \(block.label) where only certificates belong")
            }
            guard let certificate = CertificateHandle(der: block.contents) else {
                throw TLSMaterialError(.cert, "PEM block \(index + 1) is not a certificate that can be read")
            }
            certificates.append(certificate)
        }
        return certificates
    }

    /// The leaf that belongs to the key, and from it issuer after issuer. Roots at the end may stay; certificates that
    /// occur twice are taken once; one that issued none of the others breaks the chain.
    static func order(
        _ certificates: [CertificateHandle], for key: PrivateKeyHandle
    ) throws(TLSMaterialError) -> [CertificateHandle] {
        guard let leaf = certificates.first(where: { key.belongs(to: $0) }) else {
            let subject = certificates.first?.subject ?? ""
            throw TLSMaterialError(.key, "does not belong to the certificate (\(subject))")
        }
        var seen = Set([leaf.fingerprint])
        var rest: [(place: Int, certificate: CertificateHandle)] = []
        for (index, certificate) in certificates.enumerated() where seen.insert(certificate.fingerprint).inserted {
            rest.append((index + 1, certificate))
        }
        var chain = [leaf]
        while let last = chain.last, let next = rest.firstIndex(where: { last.isIssued(by: $0.certificate) }) {
            chain.append(rest.remove(at: next).certificate)
        }
        if let stray = rest.first, let last = chain.last {
            throw TLSMaterialError(
                .cert,
                "the chain is broken: certificate \(stray.place) (\(stray.certificate.subject)) did not issue "
                    + "\(last.subject), whose issuer is \(last.issuer)")
        }
        return chain
    }
}
