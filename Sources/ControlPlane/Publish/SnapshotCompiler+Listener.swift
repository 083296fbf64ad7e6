// A listener of the console as workers get it.

import ConfigModel
import ConsoleModel

extension SnapshotCompiler {
    func listener(_ listener: Console.Listener) -> ConfigObject {
        .listener(
            Listener(
                name: listener.name, address: listener.address, port: listener.portNumber, tls: listener.usesTLS,
                limits: Self.limits(listener.limits, settings.limits),
                proxyProtocol: listener.proxyProtocol?.trustedRanges ?? [],
                forwardedHeaders: listener.forwardedHeaders?.trustedRanges ?? []))
    }

    private static func limits(_ own: Console.Listener.Limits?, _ defaults: ListenerLimits) -> ListenerLimits {
        guard let own else { return defaults }
        var limits = defaults
        func set<Number: FixedWidthInteger>(_ target: WritableKeyPath<ListenerLimits, Number>, _ value: Int?) {
            if let value { limits[keyPath: target] = Number(clamping: value) }
        }
        set(\.maxConnections, own.maxConnections)
        set(\.maxHandshakes, own.maxHandshakes)
        set(\.maxConcurrentStreams, own.maxConcurrentStreams)
        set(\.maxHeaderListSize, own.maxHeaderListSize)
        set(\.tlsHandshakeTimeout, own.tlsHandshakeTimeout)
        set(\.requestHeadersTimeout, own.requestHeadersTimeout)
        set(\.requestProgressTimeout, own.requestProgressTimeout)
        set(\.connectionIdleTimeout, own.connectionIdleTimeout)
        set(\.streamStallTimeout, own.streamStallTimeout)
        set(\.memoryPerConnection, own.memoryPerConnection)
        set(\.memoryPerLoop, own.memoryPerLoop)
        set(\.memoryPerWorker, own.memoryPerWorker)
        set(\.maxResets, own.maxResets)
        set(\.maxProvokedResets, own.maxProvokedResets)
        set(\.maxControlFrames, own.maxControlFrames)
        set(\.maxContinuations, own.maxContinuations)
        set(\.headerDecodeFactor, own.headerDecodeFactor)
        set(\.requestsPerTurn, own.requestsPerTurn)
        set(\.replaySize, own.replaySize)
        return limits
    }
}
