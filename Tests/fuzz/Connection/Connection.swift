// A whole connection: a client's bytes (HTTP/1.1 or HTTP/2, by what they begin with) and an upstream's, through a loop with
// routes of every kind. The first two bytes of an input choose the size of pieces and where the upstream's part begins.

import ConfigModel
import DataPlane
import FuzzDriver
import Glibc
import Seal

nonisolated(unsafe) private let loop: FuzzedLoop = {
    let socket = "/tmp/causeway-fuzz-\(getpid()).sock"
    func cluster(_ name: String, _ spoken: UpstreamProtocol) -> ConfigObject {
        .cluster(
            Cluster(
                name: name, endpoints: [Endpoint(host: "unix:\(socket)", port: 0)], protocol: spoken, idleTimeout: 0))
    }
    func route(_ name: String, _ path: String, _ order: UInt64, _ cluster: String, _ kind: RouteKind = .http) -> Route {
        Route(
            name: name, order: order, path: PathPredicate(kind: .prefix, value: path),
            destinations: [Destination(cluster: cluster)], kind: kind)
    }
    var filtered = route("filtered", "/f", 3, "h1")
    filtered.filters.cors = CORSPolicy(origins: ["https://*.example"], credentials: true)
    filtered.filters.authentication = RouteAuthentication(kinds: [.key, .basic])
    filtered.filters.requestHeaders = HeaderEdits(remove: ["x-a"], set: [HeaderValue(name: "x-b", value: "b")])
    filtered.rewrite = Rewrite(path: "/rewritten")
    var direct = route("direct", "/d", 4, "h1")
    direct.filters.directResponse = DirectResponse(status: 200, body: "body")
    let objects: [ConfigObject] = [
        cluster("h1", .http1), cluster("h2", .http2), .route(route("plain", "/", 1, "h1")),
        .route(route("calls", "/g", 2, "h2", .grpc)), .route(route("h2", "/h", 5, "h2")), .route(filtered),
        .route(direct),
        .consumer(
            Consumer(
                name: "c",
                credentials: [
                    Credential(source: .query, key: "k", hash: SHA256.hash("v")),
                    Credential(source: .basic, hash: SHA256.hash("u:p")),
                    Credential(source: .bearer, hash: SHA256.hash("t")),
                ])),
    ]
    guard let loop = FuzzedLoop(objects, socket: socket) else {
        preconditionFailure("no loop: \(String(cString: strerror(errno)))")
    }
    return loop
}()

private func target(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let start else { return 0 }
    guard count >= 4 else { return 0 }
    let input = UnsafeRawBufferPointer(start: start + 2, count: count - 2)
    let split = input.count * Int(start[1]) / 255
    loop.run(
        client: UnsafeRawBufferPointer(rebasing: input[..<split]),
        upstream: UnsafeRawBufferPointer(rebasing: input[split...]), piece: start[0] == 0 ? 65_536 : Int(start[0]))
    return 0
}

@main
enum Main {
    static func main() {
        fuzz { target($0, $1) }
    }
}
