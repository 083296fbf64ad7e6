// Routes in the order of their rank, as a run of pointers: what is weighed one after the other.

/// An immutable run of routes.
///
/// Unchecked: the memory is written in `init` only.
final class RouteBucket: @unchecked Sendable {
    /// Best rank first.
    let routes: ContiguousArray<CompiledRoute>
    let record: UnsafePointer<BucketRecord>

    /// The routes come sorted.
    init(_ routes: ContiguousArray<CompiledRoute>) {
        self.routes = routes
        let size = MemoryLayout<BucketRecord>.stride
        let memory = UnsafeMutableRawPointer.allocate(
            byteCount: size + routes.count * MemoryLayout<RoutePointer>.stride, alignment: 16)
        let run = (memory + size).bindMemory(to: RoutePointer.self, capacity: routes.count)
        for (index, route) in routes.enumerated() { (run + index).initialize(to: route.record) }
        let head = memory.bindMemory(to: BucketRecord.self, capacity: 1)
        head.initialize(to: BucketRecord(routes: UnsafeBufferPointer(start: run, count: routes.count)))
        record = UnsafePointer(head)
    }

    deinit { UnsafeMutableRawPointer(mutating: record).deallocate() }

    static let empty = RouteBucket([])

    /// With some routes less and some more. `==` is identity: a changed route is another object.
    func edited(removing removed: [CompiledRoute], adding added: [CompiledRoute]) -> RouteBucket {
        var routes = routes
        for route in removed {
            if let index = routes.firstIndex(where: { $0 === route }) { routes.remove(at: index) }
        }
        if routes.isEmpty { return RouteBucket(ContiguousArray(added.map(Ranked.init).sorted().map(\.route))) }
        for route in added.map(Ranked.init) {
            // Halving: a bucket may hold thousands of patterns.
            var (low, high) = (0, routes.count)
            while low < high {
                let middle = (low + high) / 2
                if Ranked(routes[middle]) < route { low = middle + 1 } else { high = middle }
            }
            routes.insert(route.route, at: low)
        }
        return RouteBucket(routes)
    }
}

struct BucketRecord {
    let routes: UnsafeBufferPointer<RoutePointer>

    /// The first route that takes the request.
    @inline(__always)
    func first(_ head: borrowing RequestHead) -> RoutePointer? {
        for route in routes where route.check(head).isMatch { return route }
        return nil
    }
}
