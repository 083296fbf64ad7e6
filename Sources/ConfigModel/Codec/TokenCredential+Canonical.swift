// The fields of token credentials in canonical order. A number, once used, keeps its meaning for ever.

import Seal

extension TokenCredential: CanonicalCodable {
    func write(to writer: inout CanonicalWriter) {
        writer.required(1, source)
        writer.string(2, key)
        writer.string(3, issuer)
        writer.string(4, subject)
        writer.strings(5, audiences)
        writer.list(6, keys)
        writer.integer(7, clockSkew, default: 60)
        writer.list(8, claims)
        writer.bool(9, keepsToken, default: true)
    }

    init(from reader: inout CanonicalReader) throws(CanonicalCodingError) {
        self.init(
            source: try reader.required(1), key: try reader.string(2), issuer: try reader.string(3),
            subject: try reader.string(4), audiences: try reader.strings(5), keys: try reader.list(6),
            clockSkew: try reader.integer(7, default: 60), claims: try reader.list(8),
            keepsToken: try reader.bool(9, default: true))
    }
}

extension TokenKey: CanonicalCodable {
    func write(to writer: inout CanonicalWriter) {
        writer.string(1, id)
        writer.required(2, type)
        writer.integer(3, algorithm?.rawValue ?? 0)
        writer.secret(4, material)
    }

    init(from reader: inout CanonicalReader) throws(CanonicalCodingError) {
        let id = try reader.string(1)
        let type: TokenKeyType = try reader.required(2)
        let raw: UInt8 = try reader.integer(3)
        let algorithm = TokenAlgorithm(rawValue: raw)
        guard raw == 0 || algorithm != nil else { throw reader.error(.outOfRange(3)) }
        self.init(id: id, type: type, algorithm: algorithm, material: try reader.secret(4))
    }
}

extension ClaimHeader: CanonicalCodable {
    func write(to writer: inout CanonicalWriter) {
        writer.string(1, claim)
        writer.string(2, header)
    }

    init(from reader: inout CanonicalReader) throws(CanonicalCodingError) {
        self.init(claim: try reader.string(1), header: try reader.string(2))
    }
}
