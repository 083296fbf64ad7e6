// A thread of the worker: loops and the few threads beside them. No pools, no tasks: each runs one function to its end.

internal import COpenSSL
internal import Glibc

final class WorkerThread: Sendable {
    private let handle: pthread_t

    /// Starts a thread; nil when the system has none to give. The name shows in `ps -L` (15 bytes at most).
    init?(_ name: String, _ body: @escaping @Sendable () -> Void) {
        let box = Unmanaged.passRetained(Body(name: name, run: body))
        var thread = pthread_t()
        let result = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                let body = Unmanaged<Body>.fromOpaque(argument).takeRetainedValue()
                causeway_name_thread(body.name)
                body.run()
                return nil
            }, box.toOpaque())
        guard result == 0 else {
            box.release()
            return nil
        }
        handle = thread
    }

    func join() {
        pthread_join(handle, nil)
    }

    /// Nobody waits for its end: what it takes goes with it.
    func detach() {
        pthread_detach(handle)
    }

    private final class Body: Sendable {
        let name: String
        let run: @Sendable () -> Void

        init(name: String, run: @escaping @Sendable () -> Void) {
            self.name = name
            self.run = run
        }
    }
}
