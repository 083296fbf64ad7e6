// What several threads of the worker share. The standard library's Mutex waits in a library that ThreadSanitizer does not see, so
// that it takes what is guarded for unguarded; it does see a mutex of pthreads.

internal import Glibc

/// A value that one thread at a time uses.
///
/// `@unchecked Sendable`: the value is touched by the one thread that makes it, then only where the mutex is held.
package final class Lock<Value: Sendable>: @unchecked Sendable {
    /// In memory of its own: a mutex must not move.
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private var value: Value

    package init(_ value: Value) {
        self.value = value
        mutex = .allocate(capacity: 1)
        let status = pthread_mutex_init(mutex, nil)
        precondition(status == 0, "a mutex without attributes needs nothing")
    }

    deinit {
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    package func withLock<Result, Failure: Error>(
        _ body: (inout Value) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try body(&value)
    }
}
