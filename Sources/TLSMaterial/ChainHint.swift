// What would be better about a chain as it was given. None of it keeps a certificate from being stored.

/// A hint for whoever gave the chain.
package enum ChainHint: Hashable, Sendable, CustomStringConvertible {
    /// The certificates were not in the order of the chain.
    case reordered
    /// Issued none of the others, and is left out. Places are counted from 1.
    case unrelated(place: Int, subject: String)
    case superfluousRoot(subject: String)
    /// The last of the chain was issued by somebody who is not in it, and who is no authority of this machine. `place`: where the
    /// certificate says that its issuer's can be had.
    case issuerMissing(subject: String, issuer: String, place: String?)

    /// Whether it stays true of what is stored.
    package var isLasting: Bool { isCertain && isAboutIssuer }

    /// Without a place the issuer may well be a root of one's own, which clients have.
    package var isCertain: Bool {
        if case .issuerMissing(_, _, nil) = self { false } else { true }
    }

    private var isAboutIssuer: Bool {
        if case .issuerMissing = self { true } else { false }
    }

    package var description: String {
        switch self {
        case .reordered:
            "the certificates were not in the order of the chain: they are kept leaf first, each followed by its issuer"
        case .unrelated(let place, let subject):
            "certificate \(place) (\(subject)) issued none of the others: it is left out"
        case .superfluousRoot(let subject):
            "the root \(subject) is superfluous: a client has it, or does not trust it; without it handshakes are shorter"
        case .issuerMissing(let subject, let issuer, let place):
            "\(subject) was issued by \(issuer), which is neither in the chain nor an authority that this machine trusts: clients that do"
                + " not have it refuse the certificate; if it is an intermediate certificate, add it"
                + (place.map { " (\(subject) says that it is at \($0))" } ?? "")
        }
    }
}
