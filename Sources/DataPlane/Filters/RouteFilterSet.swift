// The filters of a route as a loop runs them: laid out with the loop's route, in memory of their own, freed with it. A route
// without filters has none of this, and costs one comparison.

internal import CNghttp2
internal import ConfigModel
internal import Glibc

typealias FiltersPointer = UnsafeMutablePointer<RouteFilterSet>

struct RouteFilterSet {
    let access: AddressFilter?
    let cors: CORSFilter?
    let redirect: RedirectFilter?
    let httpsOnly: Bool
    let authentication: AuthenticationFilter?
    let limiter: Unmanaged<RateLimiter>?
    let concurrency: Unmanaged<ConcurrencyLimiter>?
    let maxConcurrency: UInt32
    let direct: DirectResponseFilter?
    let requestHeaders: HeaderFilter?
    let responseHeaders: HeaderFilter?
    let mirror: MirrorFilter?
    let affinity: AffinityFilter?
}

struct RedirectFilter {
    let status: Int
    let location: FixedText
    let rootOnly: Bool
}

struct DirectResponseFilter {
    let status: Int
    let body: FixedText
    let contentType: FixedText
}

struct MirrorFilter {
    let cluster: ClusterPointer
    /// Of 10,000 requests.
    let share: UInt64
}

extension FiltersPointer {
    /// nil: the route has none.
    static func make(_ filters: RouteFilters, route: String, _ active: ActiveSnapshot, _ loop: LoopPointer)
        -> FiltersPointer?
    {
        guard !filters.isEmpty else { return nil }
        let pointer = FiltersPointer.allocate(capacity: 1)
        pointer.initialize(
            to: RouteFilterSet(
                access: filters.access.map(AddressFilter.init),
                cors: filters.cors.map(CORSFilter.init),
                redirect: filters.redirect.map {
                    RedirectFilter(status: Int($0.status), location: FixedText($0.location), rootOnly: $0.rootOnly)
                },
                httpsOnly: filters.httpsOnly,
                authentication: filters.authentication.map { AuthenticationFilter($0, active.consumers) },
                limiter: active.material.limiter(of: route).map { Unmanaged.passRetained($0) },
                concurrency: active.material.concurrencyLimiter(of: route).map { Unmanaged.passRetained($0) },
                maxConcurrency: filters.concurrencyLimit?.max ?? 0,
                direct: filters.directResponse.map {
                    DirectResponseFilter(
                        status: Int($0.status), body: FixedText($0.body), contentType: FixedText($0.contentType))
                },
                requestHeaders: filters.requestHeaders.map(HeaderFilter.init),
                responseHeaders: filters.responseHeaders.map(HeaderFilter.init),
                mirror: filters.mirror.flatMap { mirror in
                    loop.pointee.clusters[mirror.cluster].map { MirrorFilter(cluster: $0, share: UInt64(mirror.share)) }
                },
                affinity: filters.affinity.map(AffinityFilter.init)))
        return pointer
    }

    func free() {
        pointee.access?.deallocate()
        pointee.cors?.deallocate()
        pointee.redirect?.location.deallocate()
        pointee.limiter?.release()
        pointee.concurrency?.release()
        pointee.authentication?.deallocate()
        pointee.direct?.body.deallocate()
        pointee.direct?.contentType.deallocate()
        pointee.requestHeaders?.deallocate()
        pointee.responseHeaders?.deallocate()
        pointee.affinity?.deallocate()
        deinitialize(count: 1)
        deallocate()
    }
}

extension FixedText {
    /// A field with this text as its value.
    func field(_ name: StaticString) -> nghttp2_nv {
        var field = constant(name, "")
        field.value = mutableStart
        field.valuelen = bytes.count
        return field
    }

    /// libnghttp2 takes mutable pointers and does not write.
    var mutableStart: UnsafeMutablePointer<UInt8>? {
        bytes.baseAddress.map { UnsafeMutablePointer(mutating: $0.assumingMemoryBound(to: UInt8.self)) }
    }
}

extension UnsafeMutableBufferPointer {
    /// A copy in memory of its own.
    static func copy(_ elements: [Element]) -> Self {
        let buffer = Self.allocate(capacity: elements.count)
        _ = buffer.initialize(from: elements)
        return buffer
    }
}
