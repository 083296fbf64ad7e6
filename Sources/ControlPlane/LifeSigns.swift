// What systemd hears of the control plane: that it is ready, twice in the watchdog's time that everything which a request needs
// answers, and that it stops.

import ConfigModel
import Logging
import NIOCore
import NIOPosix
import Persistence
import ServiceLifecycle
import Telemetry

/// Tells the service manager how the process is until it shuts down.
struct LifeSigns: Service {
    private let manager = ServiceManager()
    private let store: Store
    private let publisher: Publisher
    private let logger: Logger
    private let listening: (stream: AsyncStream<String>, continuation: AsyncStream<String>.Continuation)

    init(store: Store, publisher: Publisher, logger: Logger) {
        self.store = store
        self.publisher = publisher
        self.logger = logger
        listening = AsyncStream.makeStream()
    }

    /// The admin API answers at this address: the last thing that a start waits for.
    func listens(at address: String) {
        listening.continuation.yield(address)
        listening.continuation.finish()
    }

    func run() async throws {
        await withGracefulShutdownHandler {
            await cancelWhenGracefulShutdown { await tell() }
        } onGracefulShutdown: {
            manager.tell("STOPPING=1", "STATUS=stopping")
        }
    }

    private func tell() async {
        guard let address = await listening.stream.first(where: { _ in true }) else { return }
        let version = await publisher.current?.version ?? 0
        manager.tell("READY=1", "STATUS=listening on \(address), version \(version)")
        guard let patience = manager.watchdog else {
            // A service that ends takes the others with it.
            try? await gracefulShutdown()
            return
        }
        let half = Duration.nanoseconds(Int64(clamping: patience / 2))
        while !Task.isCancelled {
            let next = ContinuousClock.now + half
            let late = Task {
                try await Task.sleep(until: next)
                logger.error("an event loop, the publisher or the database does not answer")
            }
            await everythingAnswers()
            late.cancel()
            manager.tell("WATCHDOG=1")
            try? await Task.sleep(until: next)
        }
    }

    /// Returns when it has: a loop that hangs, or a lock that is never given back, is what the watchdog is for. A disk that fails is not.
    private func everythingAnswers() async {
        for loop in MultiThreadedEventLoopGroup.singleton.makeIterator() { try? await loop.submit {}.get() }
        _ = await publisher.current
        _ = try? await store.hasAccounts()
    }
}
