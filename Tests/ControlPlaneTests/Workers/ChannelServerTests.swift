// The server over a real Unix socket: whole publishes, hostile bytes, peers that say nothing.

import ConfigChannel
import ConfigModel
import ControlPlane
import Logging
import Testing

@Suite(.timeLimit(.minutes(1))) struct ChannelServerTests {
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private func withServer(
        _ change: (inout ChannelServer.Options) -> Void = { _ in },
        _ body: (_ publisher: Publisher, _ path: String) async throws -> Void
    ) async throws {
        let folder = try TemporaryFolder()
        var options = ChannelServer.Options(path: "\(folder.path)/channel.sock")
        change(&options)
        let publisher = Publisher(mintHistory: { _, _ in .mint() }, logger: logger)
        let server = try ChannelServer(options, publisher: publisher, logger: logger)
        let running = Task { try await server.run() }
        // The socket is bound; until the server listens a connection is refused.
        while (try? ChannelClient(path: options.path)) == nil { await Task.yield() }
        do {
            try await body(publisher, options.path)
        } catch {
            running.cancel()
            throw error
        }
        running.cancel()
        _ = await running.result
        #expect(throws: ChannelClientError.self, "the file goes with the server") {
            try ChannelClient(path: options.path)
        }
    }

    /// Plays a worker until `version` is served: takes publishes and answers as the rules say.
    private func serve(_ client: ChannelClient, until version: UInt64) async throws -> SubscriberState {
        var state = SubscriberState(
            identity: SubscriberState.Identity(workerID: "w1", incarnation: 1, softwareVersion: "1.0", pid: 42))
        try await client.send(state.connected(state: .serving))
        while state.served?.version != version, let message = try await client.receive() {
            switch state.received(message) {
            case .nothing: break
            case .answer(let answer): try await client.send(answer)
            case .warm(let candidate):
                for answer in state.warmed(nonce: candidate.nonce, degraded: []).answers {
                    try await client.send(answer)
                }
            case .refused, .violation: return state
            }
        }
        return state
    }

    private func refusal(_ client: ChannelClient) async throws -> Refused? {
        guard case .refused(let refused)? = try await client.receive() else { return nil }
        #expect(try await client.receive() == nil, "closed after the refusal")
        return refused
    }

    @Test func aWorkerGetsALargeSnapshotAndItsAckArrives() async throws {
        try await withServer { publisher, path in
            let objects = (0..<20_000).map { PublishSamples.cluster("cluster-\($0)", port: UInt16($0 % 60_000 + 1)) }
            let snapshot = try PublishSamples.snapshot(5, objects)
            await publisher.publish(snapshot)
            let client = try ChannelClient(path: path)
            let state = try await serve(client, until: 5)
            #expect(state.current?.root == snapshot.root)
            #expect(await publisher.waitLive(version: 5, timeout: .seconds(10)) == .yes)
            let report = try #require(await publisher.report().first)
            #expect(report.id == "w1" && report.servedVersion == 5)
        }
    }

    @Test func aWorkerThatReadsNothingHoldsUpNobody() async throws {
        try await withServer { publisher, path in
            // More than a socket's buffer takes.
            let objects = (0..<20_000).map { PublishSamples.cluster("cluster-\($0)") }
            await publisher.publish(try PublishSamples.snapshot(1, objects))
            let stuck = try ChannelClient(path: path)
            try await stuck.send(PublishSamples.hello("stuck"))
            let quick = try ChannelClient(path: path)
            #expect(try await serve(quick, until: 1).served?.version == 1)
            await publisher.publish(try PublishSamples.snapshot(2, objects))
            #expect(await publisher.waitLive(version: 2, timeout: .milliseconds(1)) == .timeout)
            withExtendedLifetime(stuck) {}
        }
    }

    @Test func aWorkerThatGoesIsForgotten() async throws {
        try await withServer { publisher, path in
            await publisher.publish(try PublishSamples.snapshot(1))
            var client: ChannelClient? = try ChannelClient(path: path)
            _ = try await serve(try #require(client), until: 1)
            #expect(await publisher.waitLive(version: 1, timeout: .seconds(10)) == .yes)
            async let waited = publisher.waitLive(version: 2, timeout: .seconds(10))
            client = nil
            #expect(await waited == .noWorker)
            #expect(await publisher.report().isEmpty)
        }
    }

    @Test(arguments: [
        [UInt8]("GET / HTTP/1.1\r\nHost: x\r\n\r\n".utf8), [0xff, 0xff, 0xff, 0xff, 1], [0, 0, 0, 0, 99],
        encode(.publishEnd(nonce: 1)), encode(PublishSamples.hello()) + encode(PublishSamples.hello()),
        encode(PublishSamples.hello()) + [0, 0, 0, 1, 6, 0],
    ]) func garbageIsRefusedWithAReasonAndHurtsNobody(_ bytes: [UInt8]) async throws {
        try await withServer { publisher, path in
            let hostile = try ChannelClient(path: path)
            try await hostile.send(bytes: bytes)
            #expect(try await refusal(hostile)?.code == .malformed)
            await publisher.publish(try PublishSamples.snapshot(1))
            let client = try ChannelClient(path: path)
            #expect(try await serve(client, until: 1).served?.version == 1)
        }
    }

    @Test func anotherProtocolIsRefusedByName() async throws {
        try await withServer { _, path in
            let client = try ChannelClient(path: path)
            var hello = encode(PublishSamples.hello())
            hello[6] = 9
            try await client.send(bytes: hello)
            let refused = try await refusal(client)
            #expect(refused?.code == .protocolVersion)
            #expect(refused?.reason.contains("9") == true)
        }
    }

    @Test func whoSaysNoHelloInTimeIsClosed() async throws {
        try await withServer({ $0.helloTimeout = .milliseconds(50) }) { _, path in
            let client = try ChannelClient(path: path)
            #expect(try await refusal(client)?.reason.contains("no hello") == true)
        }
    }

    @Test func whoGoesSilentIsClosed() async throws {
        try await withServer({ $0.silenceTimeout = .milliseconds(50) }) { publisher, path in
            let client = try ChannelClient(path: path)
            try await client.send(PublishSamples.hello())
            #expect(try await client.receive() == nil)
        }
    }

    @Test func moreConnectionsThanTheBoundAreRefused() async throws {
        try await withServer({ $0.maximumConnections = 2 }) { publisher, path in
            await publisher.publish(try PublishSamples.snapshot(1))
            // The connection that waited for the server may still be open: replaced by name, not counted on.
            var admitted: [ChannelClient] = []
            var refused: Refused?
            while refused == nil, admitted.count < 4 {
                let client = try ChannelClient(path: path)
                try? await client.send(PublishSamples.hello("w\(admitted.count)"))
                if case .refused(let reason)? = try await client.receive() {
                    refused = reason
                } else {
                    admitted.append(client)
                }
            }
            #expect(refused?.code == .tooManyWorkers)
            #expect(admitted.count <= 2)
        }
    }

    @Test func aSecondServerOnTheSamePathDoesNotStart() async throws {
        try await withServer { publisher, path in
            #expect(throws: ListeningSocketError.self) {
                try ChannelServer(ChannelServer.Options(path: path), publisher: publisher, logger: logger)
            }
            let client = try ChannelClient(path: path)
            await publisher.publish(try PublishSamples.snapshot(1))
            #expect(try await serve(client, until: 1).served?.version == 1)
        }
    }
}
