// The format of a file of endpoints: `{"endpoints": [{"address": "10.0.0.1", "port": 8080, "weight": 2}]}`. JSON, because half a file is
// none: what a writer has not finished is refused. Nothing of the contents gets into what is told about a file that is not taken: it
// may be any file that the worker can read.

internal import ConfigModel
internal import Glibc

/// What a file of endpoints has in it.
package enum EndpointFile {
    /// One endpoint of it.
    package struct Entry: Equatable, Sendable {
        /// With port 0 where the file has none, and for Unix sockets.
        package var address: SocketAddress
        /// The address as it is written, for SNI.
        package var host: String
        package var weight: UInt32

        package init(address: SocketAddress, host: String, weight: UInt32 = 1) {
            self.address = address
            self.host = host
            self.weight = weight
        }
    }

    /// Why a file is not taken, and where it is not right. Columns are bytes.
    package struct Problem: Error, Equatable, CustomStringConvertible {
        package var line: Int
        package var column: Int
        package var reason: String

        package var description: String { "line \(line), column \(column): \(reason)" }
    }

    /// Bytes of a file.
    package static let largest = 1 << 20
    package static let mostEndpoints = 1_000
    static let weights: ClosedRange<UInt32> = 1...1_000

    /// The endpoints in their order.
    package static func read(_ bytes: [UInt8]) throws(Problem) -> [Entry] {
        if bytes.allSatisfy({ $0 == 0x20 || $0 == 0x0a || $0 == 0x0d || $0 == 0x09 }) {
            // Cut short by a full disk, or not written yet.
            throw Problem(line: 1, column: 1, reason: "it is empty; where there are none it must have an empty list")
        }
        var reading = Reading()
        // Escapes are resolved in place.
        var copy = bytes
        let stop: Int? = copy.withUnsafeMutableBytes { bytes in
            withUnsafeTemporaryAllocation(of: JSONReader.Name.self, capacity: JSONReader.mostNames) { names in
                guard let names = names.baseAddress else { return 0 }
                return JSONReader.read(bytes, names: names) { reading.document(&$0) }
            }
        }
        if let stop {
            // Nothing can be said against a value that has not come yet.
            guard let refusal = reading.refusal, refusal.left > 0 else {
                throw problem(bytes, stop, brokenJSON(bytes, stop))
            }
            throw problem(bytes, bytes.count - refusal.left, refusal.reason)
        }
        guard reading.hasList else { throw problem(bytes, 0, "it has no member endpoints, which is a list") }
        return reading.entries
    }

    private static func brokenJSON(_ bytes: [UInt8], _ stop: Int) -> String {
        stop == bytes.count
            ? "the JSON ends too early; write another file and rename it to this one"
            : "this is not JSON, or a name stands twice"
    }

    private static func problem(_ bytes: [UInt8], _ offset: Int, _ reason: String) -> Problem {
        let before = bytes.prefix(offset)
        let start = before.lastIndex(of: 0x0a).map { $0 + 1 } ?? 0
        return Problem(line: 1 + before.count { $0 == 0x0a }, column: 1 + before.count - start, reason: reason)
    }

    /// What has been read so far.
    private struct Reading {
        var entries: [Entry] = []
        var hasList = false
        /// `left`: the bytes from there on.
        var refusal: (left: Int, reason: String)?
        /// To find what stands twice.
        private var texts: Set<String> = []

        private mutating func refuse(_ left: Int, _ reason: String) -> Bool {
            refusal = (left, reason)
            return false
        }

        mutating func document(_ reader: inout JSONReader) -> Bool {
            guard reader.next == 0x7b else {
                return refuse(reader.left, "it must be an object with the list endpoints")
            }
            return reader.members(1) { reader, name in
                let isKnown = Self.text(name) == "endpoints"
                if !isKnown { return refuse(reader.left, "this is the value of a member that is not endpoints") }
                guard reader.next == 0x5b else { return refuse(reader.left, "endpoints must be a list") }
                hasList = true
                return reader.elements { endpoint(&$0) }
            }
        }

        private mutating func endpoint(_ reader: inout JSONReader) -> Bool {
            let start = reader.left
            guard reader.next == 0x7b else {
                return refuse(start, "an endpoint must be an object with its address")
            }
            if entries.count == mostEndpoints {
                return refuse(start, "there are more than \(mostEndpoints) endpoints: spread them over several files")
            }
            var host: String?
            var port: UInt32?
            var weight: UInt32?
            let isRead = reader.members(2) { reader, name in
                let (name, left) = (Self.text(name), reader.left)
                guard ["address", "port", "weight"].contains(name) else {
                    return refuse(left, "this is the value of a member that is none of address, port and weight")
                }
                guard let value = reader.value() else { return false }
                switch name {
                case "address":
                    guard case .string(let text) = value else { return refuse(left, "address must be text") }
                    host = Self.text(text)
                case "port":
                    port = Self.number(value, in: 1...65_535)
                    if port == nil { return refuse(left, "port must be a whole number from 1 to 65535") }
                default:
                    weight = Self.number(value, in: weights)
                    if weight == nil {
                        return refuse(
                            left, "weight must be a whole number from \(weights.lowerBound) to \(weights.upperBound)")
                    }
                }
                return true
            }
            guard isRead else { return false }
            guard let host else { return refuse(start, "this endpoint has no address") }
            let isSocket = host.hasPrefix("unix:")
            guard !Syntax.hasControl(host), !isSocket || host.hasPrefix("unix:/"),
                let address = SocketAddress(literal: host, port: UInt16(clamping: port ?? 0))
            else {
                return refuse(start, "its address must be IPv4, IPv6 without brackets, or unix: and an absolute path")
            }
            if isSocket, port != nil { return refuse(start, "a Unix socket has no port") }
            guard texts.insert(address.text).inserted else {
                return refuse(start, "the address of this endpoint stands in the file twice")
            }
            entries.append(Entry(address: address, host: host, weight: weight ?? 1))
            return true
        }

        private static func text(_ bytes: UnsafeRawBufferPointer) -> String { String(decoding: bytes, as: UTF8.self) }

        private static func number(_ value: JSONValue, in range: ClosedRange<UInt32>) -> UInt32? {
            guard case .number(let digits) = value, let number = UInt32(text(digits)), range.contains(number) else {
                return nil
            }
            return number
        }
    }
}

extension ResolvedAddress {
    init(_ entry: EndpointFile.Entry) {
        self.init(address: entry.address, service: Service(weight: entry.weight, host: entry.host))
    }
}
