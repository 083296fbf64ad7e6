// Splits PEM text into its blocks, so that what was pasted into the wrong field can be named before OpenSSL's decoders
// see it. Text around blocks, CRLF and a byte order mark are fine; a block that does not end or decode is not.

import COpenSSL
import Glibc

/// One `-----BEGIN …-----` to `-----END …-----`.
struct PEMBlock {
    /// Larger than any chain that a client would accept (OpenSSL's own limit is 100 KiB).
    static let maxTextBytes = 512 * 1_024

    var label: String
    /// Whether its contents are encrypted by the PEM layer itself (`Proc-Type: 4,ENCRYPTED`).
    var isEncrypted: Bool
    /// Empty for keys: they are decoded from the text, and no second copy is made.
    var contents: [UInt8]

    var isKey: Bool { label.hasSuffix("PRIVATE KEY") }

    static func read(_ text: [UInt8], field: TLSMaterialError.Field) throws(TLSMaterialError) -> [PEMBlock] {
        guard text.count <= maxTextBytes else {
            throw TLSMaterialError(field, "is larger than \(maxTextBytes / 1_024) KiB")
        }
        let (blocks, isWhole) = text.withUnsafeBytes { split($0) }
        guard isWhole else { throw TLSMaterialError(field, "PEM block \(blocks.count + 1) is damaged or cut off") }
        return blocks
    }

    /// The blocks up to the end or to the first that is damaged.
    private static func split(_ text: UnsafeRawBufferPointer) -> (blocks: [PEMBlock], isWhole: Bool) {
        guard let bio = memoryBIO(text) else { return ([], false) }
        defer {
            BIO_free(bio)
            ERR_clear_error()
        }
        var blocks: [PEMBlock] = []
        while true {
            ERR_clear_error()
            switch next(bio) {
            case .block(let block): blocks.append(block)
            case .end: return (blocks, true)
            case .damaged: return (blocks, false)
            }
        }
    }

    /// A BIO over that memory, which must stay while the BIO is used. Some editors put a byte order mark in front, which
    /// would hide a block that begins on the first line.
    static func memoryBIO(_ text: UnsafeRawBufferPointer) -> OpaquePointer? {
        let mark: [UInt8] = [0xef, 0xbb, 0xbf]
        let start = text.starts(with: mark) ? mark.count : 0
        guard let base = text.baseAddress, text.count <= Int(Int32.max) else { return BIO_new(BIO_s_mem()) }
        return BIO_new_mem_buf(base + start, Int32(text.count - start))
    }

    private enum Next {
        case block(PEMBlock)
        case end
        case damaged
    }

    private static func next(_ bio: OpaquePointer) -> Next {
        var name: UnsafeMutablePointer<CChar>?
        var header: UnsafeMutablePointer<CChar>?
        var data: UnsafeMutablePointer<UInt8>?
        var length = 0
        guard PEM_read_bio(bio, &name, &header, &data, &length) == 1, let name, let header, let data else {
            let error = ERR_peek_last_error()
            let isEnd = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE
            return isEnd ? .end : .damaged
        }
        defer {
            CRYPTO_free(name, nil, 0)
            CRYPTO_free(header, nil, 0)
            CRYPTO_clear_free(data, length, nil, 0)
        }
        var block = PEMBlock(
            label: String(cString: name), isEncrypted: strstr(header, "ENCRYPTED") != nil, contents: [])
        if !block.isKey { block.contents = Array(UnsafeBufferPointer(start: data, count: length)) }
        return .block(block)
    }
}

extension TLSMaterialError {
    static func noMemory(_ field: Field) -> TLSMaterialError {
        TLSMaterialError(field, "cannot be read: no memory")
    }
}
