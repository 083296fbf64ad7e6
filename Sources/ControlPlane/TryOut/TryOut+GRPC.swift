// A gRPC call that is tried out, or the question which calls there are. The server's reflection is asked first, through the same
// listener; a call goes on without it, in bytes.

import ConsoleModel
import Foundation
import HTTPTypes
import NIOCore
import NIOHPACK
import NIOHTTP2
import ProtobufMessages

extension TryOut {
    /// A call under way.
    struct Call: Sendable {
        var stream: any Channel
        var types: MessageTypes
        /// `nil`: nothing tells of its types.
        var method: MethodType?
        /// Why not.
        var reason: String?
    }

    private static let reflectionSeconds: Int64 = 10
    /// Of the event that lists the services.
    private static let mostServiceBytes = 6 << 20

    func runCall() async {
        let address = door.address
        let isSecure = door.isSecure
        do {
            let connection = try await GRPCConnection.open(
                address, most: limits.bytes, wantsProxyHeader: door.wantsProxyHeader
            ) { [self] () throws in
                isSecure ? try tlsHandler(["h2"]) : nil
            }
            if let (service, method) = request.grpcMethod {
                await call(service, method, on: connection)
            } else {
                tellOpened(connection.channel)
                await tellServices(on: connection)
            }
            await connection.close()
        } catch let fault as GRPCFault {
            fail(fault.reason)
        } catch is GRPCConnection.Refused {
            fail("Nothing accepts connections at \(Self.text(address)). Does the worker run?")
        } catch {
            fail(Self.words(error, isSecure: isSecure))
        }
    }

    // MARK: Reflection

    private enum Reflected {
        case found(Reflection, version: String)
        /// With the status that the server or the gateway gave, if any.
        case missing(GRPCStatus?, String)
    }

    /// v1, and where that is not there v1alpha, which many servers have alone.
    private func reflect(_ goal: Reflection.Goal, on connection: GRPCConnection) async -> Reflected {
        let first = await reflect(goal, "v1", on: connection)
        guard case .missing(let status?, _) = first, status.code == GRPCStatus.noSuchService else { return first }
        return await reflect(goal, "v1alpha", on: connection)
    }

    private func reflect(_ goal: Reflection.Goal, _ version: String, on connection: GRPCConnection) async -> Reflected {
        let path = "/grpc.reflection.\(version).ServerReflection/ServerReflectionInfo"
        let deadline = ContinuousClock.now + .seconds(Self.reflectionSeconds)
        do {
            let stream = try await connection.stream(callHeaders(path, withTimeout: false))
            let end = stream.channel.eventLoop.scheduleTask(in: .seconds(Self.reflectionSeconds)) {
                stream.channel.close(promise: nil)
            }
            defer { end.cancel() }
            return try await stream.executeThenClose { inbound, _ in
                var reflection = Reflection(goal)
                var answer = GRPCAnswer()
                var next = reflection.begin()
                var parts = inbound.makeAsyncIterator()
                while true {
                    switch next {
                    case .ask(let question): Self.send(question, isLast: false, on: stream.channel)
                    case .done: return .found(reflection, version: version)
                    case .fail(let reason): return .missing(nil, reason)
                    }
                    waiting: while true {
                        guard let part = try await parts.next() else {
                            return .missing(nil, "The reflection's stream ended without an answer.")
                        }
                        switch part {
                        case .message(let message):
                            next = reflection.receive(Array(message.readableBytesView))
                            break waiting
                        default:
                            answer.take(part)
                            guard answer.isWhole else { continue }
                            let status = answer.status(MessageTypes())
                            return .missing(
                                status,
                                "The reflection was not answered: \(status?.words ?? "there was no grpc-status.")")
                        }
                    }
                }
            }
        } catch {
            let isLate = ContinuousClock.now >= deadline
            let words = isLate ? "not within \(Self.reflectionSeconds) s." : Self.callWords(error)
            return .missing(nil, "The reflection was not answered: \(words)")
        }
    }

    private struct Services: Encodable {
        var reflection: String
        var services: [Service]
    }

    private struct Service: Encodable {
        var name: String
        var methods: [Method] = []
        /// Why there are no methods, or not all.
        var problem: String?
    }

    private struct Method: Encodable {
        var name: String
        var path: String
        var input: String
        var output: String
        var clientStreaming: Bool
        var serverStreaming: Bool
        var inputSchema: JSONValue
    }

    private func tellServices(on connection: GRPCConnection) async {
        switch await reflect(.services, on: connection) {
        case .missing(let status, let reason):
            if let status { tell("status", status) }
            fail(reason)
        case .found(let reflection, let version):
            var left = Self.mostServiceBytes
            let services = reflection.services.map { name in
                Self.service(name, reflection, &left)
            }
            tell("services", Services(reflection: version, services: services))
            close("The services are told.")
        }
    }

    private static func service(_ name: String, _ reflection: Reflection, _ left: inout Int) -> Service {
        var made = Service(name: name, problem: reflection.problems[name])
        for method in reflection.types.methods(of: name) ?? [] {
            left -=
                160 + name.utf8.count + 2 * method.name.utf8.count + method.input.utf8.count + method.output.utf8.count
            guard left > 0 else {
                made.problem = "Has more methods than are told here."
                break
            }
            let schema = MessageSchema.json(of: method.input, by: reflection.types, most: left)
            left -= schema?.size ?? 100
            made.methods.append(
                Method(
                    name: method.name, path: "/\(name)/\(method.name)", input: method.input, output: method.output,
                    clientStreaming: method.clientStreaming, serverStreaming: method.serverStreaming,
                    inputSchema: schema?.schema
                        ?? .object(["description": .string("The types are too many to be told here.")])))
        }
        return made
    }

    // MARK: The call

    private func call(_ service: String, _ name: String, on connection: GRPCConnection) async {
        var types = MessageTypes()
        var method: MethodType?
        var reason: String?
        var version: String?
        switch await reflect(.service(service), on: connection) {
        case .missing(_, let why): reason = why
        case .found(let reflection, let found):
            types = reflection.types
            version = found
            method = types.methods(of: service)?.first { $0.name == name }
            if method == nil { reason = "The service \(service) has no method \(name)." }
        }
        tellOpened(connection.channel, reflection: version, reason: reason)
        do {
            let stream = try await connection.stream(callHeaders(request.path ?? "/", withTimeout: true))
            try await stream.executeThenClose { [types, method, reason] inbound, _ in
                begin(Call(stream: stream.channel, types: types, method: method, reason: reason))
                try await follow(inbound, types, method)
            }
        } catch {
            fail(Self.callWords(error))
        }
    }

    private func follow(
        _ inbound: NIOAsyncChannelInboundStream<GRPCPart>, _ types: MessageTypes, _ method: MethodType?
    ) async throws {
        var answer = GRPCAnswer()
        for try await part in inbound {
            switch part {
            case .message(let message):
                guard tell(Array(message.readableBytesView), of: method?.output, types, direction: "in") else {
                    return failBeyondBytes()
                }
                continue
            case .head(let headers): tell(head: headers)
            case .trailers(let headers): tell(trailers: headers)
            case .other, .end: break
            }
            answer.take(part)
            guard answer.isWhole else { continue }
            guard let status = answer.status(types) else { return fail("The answer ended without grpc-status.") }
            tell("status", status)
            return answer.isGRPC ? close("The call is complete.") : fail(status.message)
        }
        fail("The connection ended before the status came.")
    }

    func sendToCall(_ message: Console.TryMessage) async throws {
        guard (try? await opened.futureResult.get()) != nil, let call = currentCall else { throw isOverProblem }
        let isLast = message.end == true
        var bytes: [UInt8]?
        if let json = message.json {
            guard let method = call.method else {
                throw Problem.invalid("json", "Nothing tells of the message's type: \(call.reason ?? "") Send base64.")
            }
            do {
                bytes = try MessageWriter.bytes(of: json, as: method.input, by: call.types)
            } catch {
                throw Problem.invalid("json\(error.path)", error.message)
            }
        } else if let base64 = message.base64 {
            bytes = Array(Data(base64Encoded: base64) ?? Data())
        }
        guard mayStillSend(isLast: isLast) else {
            throw Problem(.conflict, .inUse, "No more messages follow on this call: it was said with end.")
        }
        if let bytes {
            guard tell(bytes, of: call.method?.input, call.types, direction: "out") else {
                throw Problem.tooLarge(limits.bytes)
            }
            Self.send(bytes, isLast: isLast, on: call.stream)
        } else {
            GRPCConnection.write(.data(.init(data: .byteBuffer(ByteBuffer()), endStream: true)), to: call.stream)
        }
    }

    private static func send(_ message: [UInt8], isLast: Bool, on stream: any Channel) {
        let data = HTTP2Frame.FramePayload.Data(data: .byteBuffer(GRPCMessages.framed(message)), endStream: isLast)
        GRPCConnection.write(.data(data), to: stream)
    }

    private func callHeaders(_ path: String, withTimeout: Bool) -> HPACKHeaders {
        var headers: HPACKHeaders = [
            ":method": "POST", ":scheme": door.isSecure ? "https" : "http", ":path": path,
            ":authority": request.authority,
            "te": "trailers", "content-type": "application/grpc", "grpc-accept-encoding": "identity,gzip",
        ]
        for (name, value) in (request.headers ?? [:]).sorted(by: { $0.key < $1.key }) {
            let name = name.lowercased()
            if withTimeout || name != "grpc-timeout" { headers.add(name: name, value: value) }
        }
        return headers
    }

    private static let resets = [
        "NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED",
        "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM",
        "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
    ]

    private static func callWords(_ error: any Error) -> String {
        switch error {
        case let fault as GRPCFault: return fault.reason
        case let closed as NIOHTTP2Errors.StreamClosed:
            let code = Int(closed.errorCode.networkCode)
            return "The stream was reset: \(resets.indices.contains(code) ? resets[code] : "code") (\(code))."
        default: return "The connection ended before the call did. (\(error))"
        }
    }
}

/// What an answer is made of but its messages.
struct GRPCAnswer {
    private static let mostText = 512

    private var head: HPACKHeaders?
    private var trailers: HPACKHeaders?
    private var text: [UInt8] = []
    private(set) var isWhole = false

    mutating func take(_ part: GRPCPart) {
        switch part {
        case .head(let headers): head = headers
        case .trailers(let headers):
            trailers = headers
            isWhole = true
        case .other(let bytes): text += bytes.readableBytesView.prefix(Self.mostText - text.count)
        case .end: isWhole = true
        case .message: break
        }
    }

    private var type: String { head?.first(name: "content-type") ?? "" }

    /// Or says how it ended as if it were.
    var isGRPC: Bool { type.lowercased().hasPrefix("application/grpc") || head?.first(name: "grpc-status") != nil }

    /// `nil`: gRPC, and no status.
    func status(_ types: MessageTypes) -> GRPCStatus? {
        if let told = (trailers ?? head).flatMap({ GRPCStatus(trailers: $0, types: types) }) { return told }
        if isGRPC { return nil }
        let status = head?.first(name: ":status").flatMap { Int($0) } ?? 0
        return GRPCStatus(http: status, type: type, body: String(decoding: text, as: UTF8.self))
    }
}
