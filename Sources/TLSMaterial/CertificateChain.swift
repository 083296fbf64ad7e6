// The certificates of one identity: read from PEM, and put in the order that TLS wants, each followed by its issuer.

import COpenSSL
import Seal

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
    /// occur twice are taken once; one that issued none of the others is left out. The order is told only of a list that has one.
    static func order(
        _ certificates: [CertificateHandle], for key: PrivateKeyHandle, isList: Bool
    ) throws(TLSMaterialError) -> (chain: [CertificateHandle], hints: [ChainHint]) {
        guard let leaf = certificates.first(where: { key.belongs(to: $0) }) else {
            let subject = certificates.first?.subject ?? ""
            throw TLSMaterialError(.key, "does not belong to the certificate (\(subject))")
        }
        var seen: Set<Hash256> = []
        let given = certificates.enumerated().filter { seen.insert($0.element.fingerprint).inserted }
        var rest = given.filter { $0.element !== leaf }
        var (chain, places) = ([leaf], [given.first { $0.element === leaf }?.offset ?? 0])
        while let last = chain.last, let next = rest.firstIndex(where: { last.isIssued(by: $0.element) }) {
            places.append(rest[next].offset)
            chain.append(rest.remove(at: next).element)
        }
        var hints = rest.map { ChainHint.unrelated(place: $0.offset + 1, subject: $0.element.subject) }
        if isList && places != places.sorted() { hints.append(.reordered) }
        guard let last = chain.last else { return (chain, hints) }
        if last.isSelfSigned {
            if chain.count > 1 { hints.append(.superfluousRoot(subject: last.subject)) }
        } else if causeway_system_issued(last.x509) == 0 {
            hints.append(.issuerMissing(subject: last.subject, issuer: last.issuer, place: last.issuerPlace))
        }
        return (chain, hints)
    }
}
