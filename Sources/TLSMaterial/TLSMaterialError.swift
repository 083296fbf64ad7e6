// Why certificate, key or authorities cannot be used, in words for the person who pasted them.

/// A problem of one of the fields that hold PEM.
package struct TLSMaterialError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Field: String, Hashable, Sendable {
        case cert, key
        case pkcs12
        /// Of the key or the PKCS#12 file.
        case passphrase
        case authorities
    }

    package var field: Field
    package var reason: String

    package init(_ field: Field, _ reason: String) {
        self.field = field
        self.reason = reason
    }

    package var description: String { "\(field.rawValue): \(reason)" }
}
