// Where a text stops being JSON. Foundation says only that it is not; people want the line.

/// Finds the first place at which bytes are not JSON (RFC 8259).
struct JSONSyntax {
    /// Deeper than any body of ours, and shallow enough for the stack.
    private static let deepest = 128

    private let bytes: [UInt8]
    private var position = 0

    private struct Fault: Error {
        var position: Int
        var what: String
    }

    /// `nil`: it is JSON.
    static func problem(in bytes: [UInt8]) -> String? {
        var parser = JSONSyntax(bytes: bytes)
        do throws(Fault) {
            try parser.value(depth: 0)
            parser.skipBlanks()
            if parser.position < bytes.count { throw parser.fault("something follows the end of the document") }
            return nil
        } catch {
            let before = bytes[..<min(error.position, bytes.count)]
            let line = before.count { $0 == UInt8(ascii: "\n") } + 1
            let column = before.reversed().prefix { $0 != UInt8(ascii: "\n") }.count + 1
            return "line \(line), column \(column): \(error.what)"
        }
    }

    private init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    private var current: UInt8? { position < bytes.count ? bytes[position] : nil }

    private func fault(_ what: String) -> Fault {
        Fault(position: position, what: current == nil ? "the text ends too early" : what)
    }

    private mutating func skipBlanks() {
        while let byte = current, byte == 0x20 || byte == 0x09 || byte == 0x0a || byte == 0x0d { position += 1 }
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard current == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    private mutating func value(depth: Int) throws(Fault) {
        if depth > Self.deepest { throw fault("lists and objects are nested too deeply") }
        skipBlanks()
        switch current {
        case UInt8(ascii: "{"): try object(depth)
        case UInt8(ascii: "["): try list(depth)
        case UInt8(ascii: "\""): try string()
        case let byte? where byte == UInt8(ascii: "-") || Self.isDigit(byte): try number()
        default:
            for word in ["true", "false", "null"] where bytes[position...].starts(with: word.utf8) {
                position += word.utf8.count
                return
            }
            throw fault("a value is expected")
        }
    }

    private mutating func object(_ depth: Int) throws(Fault) {
        position += 1
        skipBlanks()
        if take("}") { return }
        repeat {
            skipBlanks()
            guard current == UInt8(ascii: "\"") else { throw fault("a field's name in double quotes is expected") }
            try string()
            skipBlanks()
            if !take(":") { throw fault("a ':' is expected") }
            try value(depth: depth + 1)
            skipBlanks()
        } while take(",")
        if !take("}") { throw fault("a ',' or '}' is expected") }
    }

    private mutating func list(_ depth: Int) throws(Fault) {
        position += 1
        skipBlanks()
        if take("]") { return }
        repeat {
            try value(depth: depth + 1)
            skipBlanks()
        } while take(",")
        if !take("]") { throw fault("a ',' or ']' is expected") }
    }

    private mutating func string() throws(Fault) {
        position += 1
        let start = position
        while let byte = current, byte != UInt8(ascii: "\"") {
            if byte < 0x20 { throw fault("a control character in text must be written as \\u00XX") }
            if byte == UInt8(ascii: "\\") { try escape() } else { position += 1 }
        }
        if current == nil { throw fault("") }
        if String(validating: bytes[start..<position], as: UTF8.self) == nil {
            position = start
            throw fault("the text is not UTF-8")
        }
        position += 1
    }

    private mutating func escape() throws(Fault) {
        position += 1
        guard let byte = current else { throw fault("") }
        if byte == UInt8(ascii: "u") {
            let digits = bytes[(position + 1)...].prefix(4)
            let isHex = digits.allSatisfy { Character(Unicode.Scalar($0)).isHexDigit }
            guard digits.count == 4, isHex else { throw fault("four hexadecimal digits are expected after \\u") }
            position += 5
        } else if "\"\\/bfnrt".utf8.contains(byte) {
            position += 1
        } else {
            throw fault("this escape does not exist in JSON")
        }
    }

    private mutating func number() throws(Fault) {
        _ = take("-")
        let leadingZero = current == UInt8(ascii: "0")
        let whole = try digits()
        if leadingZero, whole > 1 { throw fault("a number must not begin with 0") }
        if take(".") { _ = try digits() }
        if take("e") || take("E") {
            if !take("+") { _ = take("-") }
            _ = try digits()
        }
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

    private mutating func digits() throws(Fault) -> Int {
        let start = position
        while let byte = current, Self.isDigit(byte) { position += 1 }
        if position == start { throw fault("a digit is expected") }
        return position - start
    }
}
