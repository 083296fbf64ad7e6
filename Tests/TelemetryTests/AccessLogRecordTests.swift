// The line of the access log: its fields, their order, and what hostile bytes become.

import Foundation
import Telemetry
import Testing

@Suite struct AccessLogRecordTests {
    private func bytes(_ text: StaticString) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
    }

    @Test func aLineHasEveryFieldInItsPlace() {
        var record = AccessLogRecord()
        record.time = 1_700_000_000_123
        record.listener = bytes("https")
        record.peer = bytes("[::1]:50000")
        record.client = bytes("203.0.113.9")
        record.tls = bytes("TLSv1.3")
        record.sni = bytes("demo.kubesre.com")
        record.method = bytes("POST")
        record.authority = bytes("demo.kubesre.com:8443")
        record.path = bytes("/helloworld.Greeter/SayHello")
        record.applicationProtocol = .http2
        record.route = bytes("greeter")
        record.cluster = bytes("greeter|50051")
        record.endpoint = bytes("127.0.0.1:50051")
        record.status = 200
        record.grpcStatus = 14
        record.flag = bytes("UF")
        record.reason = bytes("connection refused")
        record.bytesIn = 21
        record.bytesOut = 26
        record.messages = (1, 3)
        record.closeCode = 1000
        record.duration = 1_234_567
        record.upstreamDuration = 999
        record.tries = 2
        record.retryRefusal = .budget
        record.version = 7
        record.traceID = bytes("4bf92f3577b34da6a3ce929d0e0e4736")
        record.consumer = bytes("billing")
        #expect(
            written { $0.append(record) } == """
                {"ts":"2023-11-14T22:13:20.123Z","listener":"https","peer":"[::1]:50000","client":"203.0.113.9","tls":"TLSv1.3",\
                "sni":"demo.kubesre.com","method":"POST","authority":"demo.kubesre.com:8443",\
                "path":"/helloworld.Greeter/SayHello","protocol":"h2","route":"greeter","cluster":"greeter|50051",\
                "endpoint":"127.0.0.1:50051","status":200,"grpc_status":14,"flag":"UF","reason":"connection refused",\
                "bytes_in":21,"bytes_out":26,"messages_in":1,"messages_out":3,"close_code":1000,"duration_ms":1.234,"upstream_ms":0.000,"tries":2,"retry_refused":"budget","version":7,\
                "trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","consumer":"billing"}

                """)
    }

    @Test func whatIsAbsentIsNullEmptyOrADash() throws {
        let line = written { $0.append(AccessLogRecord()) }
        let object = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        #expect(object["grpc_status"] is NSNull)
        #expect(object["upstream_ms"] is NSNull)
        #expect(object["retry_refused"] is NSNull)
        #expect(object["messages_in"] is NSNull && object["messages_out"] is NSNull)
        #expect(object["close_code"] is NSNull)
        #expect(object["flag"] as? String == "-")
        #expect(object["tls"] as? String == "")
        #expect(object["trace_id"] as? String == "")
        #expect(object["protocol"] as? String == "http/1.1")
        #expect(object.count == 29)
    }

    @Test func hostileFieldsStayInsideTheirStrings() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<500 {
            let hostile = (0..<40).map { _ in UInt8.random(in: 0...255, using: &generator) }
            let line = hostile.withUnsafeBytes { hostile in
                var record = AccessLogRecord()
                record.method = hostile
                record.authority = hostile
                record.path = hostile
                record.sni = hostile
                record.applicationProtocol = .websocket
                record.traceID = hostile
                return written { $0.append(record) }
            }
            #expect(line.utf8.lastIndex(of: 10) == line.utf8.firstIndex(of: 10), "seed \(seed)")
            let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            #expect(object?.count == 29, "seed \(seed)")
            #expect(object?["protocol"] as? String == "websocket", "seed \(seed)")
        }
    }

    @Test func longTextsAreCut() throws {
        // The cut falls inside a character, which must not break the line.
        let path = [UInt8(ascii: "/")] + Array(String(repeating: "é", count: 50_000).utf8)
        let line = path.withUnsafeBytes { path in
            var record = AccessLogRecord()
            record.path = path
            return written { $0.append(record) }
        }
        let object = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        let logged = try #require(object["path"] as? String)
        #expect(logged.utf8.count < AccessLogRecord.maxTextBytes + 10)
        #expect(logged.hasSuffix("é\\xc3…"))
    }
}
