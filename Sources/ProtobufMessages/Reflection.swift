// A conversation with a server's reflection: what is asked, what the answers mean, and when enough is known. v1 and v1alpha are the
// same but for the name of their service. One question at a time: the next one depends on what is missing.

/// What is to be found out, and what was. No I/O: the caller sends what it is told to.
package struct Reflection: Sendable {
    package enum Goal: Sendable, Hashable {
        /// All services and the types of their methods.
        case services
        /// One service and its types.
        case service(String)
    }

    /// What comes next.
    package enum Next: Hashable, Sendable {
        case ask([UInt8])
        case done
        case fail(String)
    }

    /// Files of descriptors, and their bytes.
    private static let mostFiles = 1_000
    private static let mostBytes = 4 << 20

    private enum Question: Hashable {
        case list
        case symbol(String)
        case file(String)
    }

    package private(set) var types = MessageTypes()
    /// In the server's order.
    package private(set) var services: [String] = []
    /// Why nothing is known of a service or an import.
    package private(set) var problems: [String: String] = [:]

    private let goal: Goal
    private var symbols: [String] = []
    private var imports: [String] = []
    private var asked: Set<String> = []
    private var question: Question?
    private var files = 0
    private var bytes = 0

    package init(_ goal: Goal) {
        self.goal = goal
        if case .service(let name) = goal { symbols = [name] }
    }

    package mutating func begin() -> Next {
        goal == .services ? ask(.list) : next()
    }

    /// An answer.
    package mutating func receive(_ answer: [UInt8]) -> Next {
        guard let asked = question else { return .fail("The reflection answers more than it was asked.") }
        question = nil
        do throws(MessageFault) {
            var isAnswered = false
            var reader = WireReader(answer)
            while let (number, value) = try reader.next() {
                guard case .bytes(let part) = value else { continue }
                switch (number, asked) {
                case (4, .symbol), (4, .file):
                    isAnswered = true
                    try take(files: part)
                case (6, .list):
                    isAnswered = true
                    try take(list: part)
                case (7, let asked):
                    isAnswered = true
                    let reason = try Self.reason(part)
                    switch asked {
                    case .list: return .fail("The reflection does not list the services: \(reason)")
                    case .symbol(let name), .file(let name): problems[name] = reason
                    }
                default: break
                }
            }
            guard isAnswered else { return .fail("The reflection answers something else than it was asked.") }
        } catch {
            return .fail("The reflection's answer cannot be read: \(error.reason)")
        }
        return next()
    }

    private mutating func next() -> Next {
        while let name = imports.popLast() {
            if !types.has(file: name), asked.insert(name).inserted { return ask(.file(name)) }
        }
        while let name = symbols.popLast() {
            if types.methods(of: name) == nil, problems[name] == nil { return ask(.symbol(name)) }
        }
        if case .service(let name) = goal, types.methods(of: name) == nil {
            return .fail("The reflection does not know the service \(name): \(problems[name] ?? "it is in no file.")")
        }
        return .done
    }

    private mutating func ask(_ question: Question) -> Next {
        self.question = question
        var writer = WireWriter()
        switch question {
        case .list: writer.field(7, "*".utf8)
        case .symbol(let name): writer.field(4, name.utf8)
        case .file(let name): writer.field(3, name.utf8)
        }
        return .ask(writer.bytes)
    }

    /// A FileDescriptorResponse.
    private mutating func take(files part: WireReader) throws(MessageFault) {
        var reader = part
        while let (number, value) = try reader.next() {
            guard number == 1, case .bytes(let file) = value else { continue }
            files += 1
            bytes += file.count
            guard files <= Self.mostFiles, bytes <= Self.mostBytes else {
                throw MessageFault("More than \(Self.mostFiles) files or \(Self.mostBytes) bytes of descriptors.")
            }
            imports += try types.add(file: Array(file.rest))
        }
    }

    /// A ListServiceResponse.
    private mutating func take(list part: WireReader) throws(MessageFault) {
        var reader = part
        var known: Set<String> = []
        while let (number, value) = try reader.next() {
            guard number == 1, case .bytes(var service) = value else { continue }
            while let (number, value) = try service.next() {
                guard number == 1, case .bytes(let name) = value else { continue }
                guard name.count <= MessageLimits.name, let text = name.text, services.count < Self.mostFiles else {
                    throw MessageFault("It lists a service without a name, or more than \(Self.mostFiles).")
                }
                if known.insert(text).inserted { services.append(text) }
            }
        }
        symbols = services.reversed()
    }

    /// Of an ErrorResponse.
    private static func reason(_ part: WireReader) throws(MessageFault) -> String {
        var reader = part
        var code: UInt64 = 2
        var text = ""
        while let (number, value) = try reader.next() {
            switch (number, value) {
            case (1, .varint(let value)): code = value
            case (2, .bytes(let words)): text = String(decoding: words.rest.prefix(1_024), as: UTF8.self)
            default: break
            }
        }
        return text.isEmpty ? "error \(code)." : text
    }
}
