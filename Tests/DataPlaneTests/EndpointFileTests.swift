// Mirrors EndpointFile.swift.

import DataPlane
import Testing

struct EndpointFileTests {
    /// One endpoint a text, as in `10.0.0.1:8080*2`.
    private func read(_ text: String) throws(EndpointFile.Problem) -> [String] {
        try EndpointFile.read(Array(text.utf8)).map { "\($0.address.text)*\($0.weight)" }
    }

    private func problem(_ text: String) -> String? {
        do throws(EndpointFile.Problem) {
            _ = try read(text)
            return nil
        } catch {
            return "\(error)"
        }
    }

    private func file(_ endpoint: String) -> String { "{\"endpoints\": [\n  \(endpoint)\n]}\n" }

    @Test func readsAddressesPortsAndWeights() throws {
        let text = #"""
            {"endpoints": [
              {"address": "10.0.0.1", "port": 8080, "weight": 2},
              {"weight": 1000, "address": "FE80::1", "port": 65535},
              {"address": "10.0.0.2"},
              {"address": "unix:/run/a b.sock", "weight": 1},
              {"add\u0072ess": "10.0.0.\u0033", "port": 1}
            ]}
            """#
        #expect(
            try read(text) == [
                "10.0.0.1:8080*2", "[fe80::1]:65535*1000", "10.0.0.2:0*1", "unix:/run/a b.sock*1", "10.0.0.3:1*1",
            ])
    }

    @Test func noneIsSaidInSoManyWords() throws {
        #expect(try read("{\"endpoints\": []}") == [])
        for empty in ["", " \n\t\r\n"] {
            #expect(problem(empty)?.hasPrefix("line 1, column 1: it is empty; where there are none") == true)
        }
        #expect(problem("{}") == "line 1, column 1: it has no member endpoints, which is a list")
    }

    /// However a writer is cut, it is never taken for a shorter list.
    @Test func aBeginningIsNoFile() {
        let text = file(#"{"address": "10.0.0.1", "port": 8080}, {"address": "10.0.0.2", "port": 80}"#)
        for count in 1..<(text.utf8.count - 2) {
            #expect(problem(String(text.prefix(count)))?.contains("the JSON ends too early") == true, "\(count)")
        }
    }

    private static let unknown = "this is the value of a member that is none of address, port and weight"
    private static let twice = "the address of this endpoint stands in the file twice"

    @Test(arguments: [
        (#"{"port": 80}"#, "column 3: this endpoint has no address"),
        (#"{"address": "10.0.0.1", "port": 0}"#, "column 35: port must be a whole number from 1 to 65535"),
        (#"{"address": "10.0.0.1", "port": 65536}"#, "column 35: port must be a whole number from 1 to 65535"),
        (#"{"address": "10.0.0.1", "port": "80"}"#, "column 35: port must be a whole number from 1 to 65535"),
        (#"{"address": "10.0.0.1", "port": 8e1}"#, "column 35: port must be a whole number from 1 to 65535"),
        (#"{"address": "10.0.0.1", "port": -1}"#, "column 35: port must be a whole number from 1 to 65535"),
        (#"{"address": "10.0.0.1", "port": 18446744073709551617}"#, "port must be a whole number from 1 to 65535"),
        (#"{"address": "10.0.0.1", "weight": 0}"#, "column 37: weight must be a whole number from 1 to 1000"),
        (#"{"address": "10.0.0.1", "weight": 1001}"#, "column 37: weight must be a whole number from 1 to 1000"),
        (#"{"address": 10}"#, "column 15: address must be text"),
        (#"{"address": "10.0.0.1", "drain": true}"#, "column 36: \(Self.unknown)"),
        (#""10.0.0.1:80""#, "column 3: an endpoint must be an object with its address"),
        (#"{"address": "unix:/run/a", "port": 1}"#, "column 3: a Unix socket has no port"),
        (#"{"address": "10.0.0.1"}, {"address": "10.0.0.1"}"#, "column 28: \(Self.twice)"),
        (#"{"address": "10.0.0.1", "address": "10.0.0.2"}"#, "column 36: this is not JSON, or a name stands twice"),
    ])
    func saysWhereAndWhat(endpoint: String, wanted: String) {
        let found = problem(file(endpoint))
        #expect(found?.hasSuffix(wanted) == true, "\(found ?? "nothing")")
        #expect(found?.hasPrefix("line 2, ") == true)
    }

    @Test func aCommaTooManyIsAnEndpointTooFew() {
        let text = file(#"{"address": "10.0.0.1"},"#)
        #expect(problem(text) == "line 3, column 1: an endpoint must be an object with its address")
    }

    @Test(arguments: [
        "localhost", "api.test", "10.0.0.256", "10.1", "[::1]", "::1%eth0", "", "unix:run/a", "unix:",
        "10.0.0.1\\u0000x", "::1\\n", "unix:/run/\\u0007", "unix:/" + String(repeating: "a", count: 108), "file:/etc/a",
    ])
    func otherAddressesAreRefused(address: String) {
        #expect(
            problem(file("{\"address\": \"\(address)\", \"weight\": 1}"))?
                .hasPrefix("line 2, column 3: its address must be IPv4, IPv6 without brackets, or unix:") == true)
    }

    @Test(arguments: [
        ("[]", 1), ("null", 1), (#"{"endpoints": {}}"#, 15), (#"{"endpoints": null}"#, 15), (#"{"Endpoints": []}"#, 15),
        (#"{"endpoints": [], "endpoints": []}"#, 30), (#"{"endpoints": []} x"#, 19), ("\u{feff}{}", 1),
        ("root:x:0:0:", 1),
    ])
    func otherDocumentsAreRefused(text: String, column: Int) {
        #expect(problem(text)?.hasPrefix("line 1, column \(column): ") == true, "\(problem(text) ?? "nothing")")
    }

    /// The path may be that of any file that the worker can read.
    @Test func nothingOfTheContentsIsTold() {
        let secret = "s3cretW0rd"
        for text in [
            "root:\(secret):19000::", "{\"\(secret)\": 1}", "{\"endpoints\": \"\(secret)\"}",
            file("{\"\(secret)\": \"\(secret)\"}"), file("{\"address\": \"\(secret)\"}"),
            file("{\"address\": \"10.0.0.1\", \"port\": \"\(secret)\"}"),
            file("\(secret)"), "\"\(secret)\"", file("{\"address\": \"10.0.0.1\", \"weight\": \(secret)}"),
        ] {
            let found = problem(text)
            #expect(found != nil && found?.contains(secret) == false, "\(text)")
        }
    }

    @Test func theNumberOfEndpointsIsBounded() throws {
        func many(_ count: Int) -> String {
            "{\"endpoints\": ["
                + (0..<count).map { "{\"address\": \"10.0.\($0 / 256).\($0 % 256)\"}" }.joined(separator: ",\n") + "]}"
        }
        #expect(try read(many(EndpointFile.mostEndpoints)).count == EndpointFile.mostEndpoints)
        #expect(
            problem(many(EndpointFile.mostEndpoints + 1))
                == "line 1001, column 1: there are more than 1000 endpoints: spread them over several files")
    }

    @Test func anyBytesAreTaken() {
        let whole = Array(file(#"{"address": "10.0.0.1", "port": 8080, "weight": 3}, {"address": "::1"}"#).utf8)
        var state: UInt64 = 0x5eed
        for _ in 0..<20_000 {
            var bytes = whole
            for _ in 0..<3 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                bytes[Int(state >> 33) % bytes.count] = UInt8(truncatingIfNeeded: state >> 24)
            }
            do throws(EndpointFile.Problem) {
                #expect(try EndpointFile.read(bytes).count <= 2)
            } catch {
                #expect(error.line >= 1 && error.column >= 1)
            }
        }
    }
}
