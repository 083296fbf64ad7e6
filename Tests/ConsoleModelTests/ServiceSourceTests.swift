// The rules of service sources, type by type, and the endpoints they give.

import ConsoleModel
import Testing

struct ServiceSourceTests {
    private func findings(_ json: String) throws -> Findings {
        var source: Console.ServiceSource = try decode(json)
        source.normalize()
        return source.check()
    }

    @Test(arguments: [
        #"{"name":"greeter","type":"static","domain":"10.0.0.5:50051","port":80,"protocol":"grpc"}"#,
        #"{"name":"a","type":"static","domain":"10.0.0.5:1, [::1]:2,localhost:3,api.test:4,unix:/run/a.sock"}"#,
        #"{"name":"a","type":"dns","domain":"api.test, localhost","port":443,"protocol":"https","sni":"api.test"}"#,
        #"{"name":"a","type":"file","domain":"/etc/Causeway/a, b.json","port":8080,"protocol":"grpcs","slowStart":9}"#,
        #"{"name":"a","type":"nacos2","domain":"10.0.0.1","port":8848,"properties":{"nacosGroups":["g"]}}"#,
        #"{"name":"a","type":"nacos3","domain":"n.test","port":8848,"properties":{"enableMCPServer":true,"mcpServerBaseUrl":"/mcp"}}"#,
        #"{"name":"a","type":"consul","domain":"c.test","port":8500,"properties":{"consulDatacenter":"dc1","consulRefreshInterval":30}}"#,
        #"{"name":"a","type":"eureka","domain":"::1","port":8500}"#,
        #"{"name":"a","type":"zookeeper","domain":"z.test","port":2181,"properties":{"zkServicesPath":["/dubbo"]}}"#,
    ])
    func acceptsWhatHigressAccepts(json: String) throws {
        #expect(try findings(json).lines == [])
    }

    @Test(arguments: [
        (#"{"type":"static","domain":"1.2.3.4:5"}"#, "name"),
        (#"{"name":"-a","type":"static","domain":"1.2.3.4:5"}"#, "name"),
        (#"{"name":"a.internal","type":"static","domain":"1.2.3.4:5"}"#, "name"),
        (#"{"name":"a\u001bb","type":"static","domain":"1.2.3.4:5"}"#, "name"),
        (#"{"name":"a"}"#, "type"),
        (#"{"name":"a","type":"Static","domain":"1.2.3.4:5"}"#, "type"),
        (#"{"name":"a","type":"static"}"#, "domain"),
        (#"{"name":"a","type":"static","domain":"1.2.3.4"}"#, "domain"),
        (#"{"name":"a","type":"static","domain":"1.2.3.4:0"}"#, "domain"),
        (#"{"name":"a","type":"static","domain":"1.2.3.4:65536"}"#, "domain"),
        (#"{"name":"a","type":"static","domain":"1.2.3.400:80"}"#, "domain"),
        (#"{"name":"a","type":"static","domain":"::1:80"}"#, "domain"),
        (#"{"name":"a","type":"static","domain":"[::g]:80"}"#, "domain"),
        (#"{"name":"a","type":"static","domain":"1.2.3.4:5,1.2.3.4:5"}"#, "domain"),
        (#"{"name":"a","type":"static","domain":"1.2.3.4:5,"}"#, "domain"),
        (#"{"name":"a","type":"static","domain":"unix:run/a"}"#, "domain"),
        (#"{"name":"a","type":"dns","domain":"api.test"}"#, "port"),
        (#"{"name":"a","type":"dns","domain":"api.test","port":0}"#, "port"),
        (#"{"name":"a","type":"dns","domain":"api.test:80","port":80}"#, "domain"),
        (#"{"name":"a","type":"dns","domain":"a.test","port":80,"protocol":"spdy"}"#, "protocol"),
        (#"{"name":"a","type":"dns","domain":"a.test","port":80,"sni":"a b"}"#, "sni"),
        (#"{"name":"a","type":"dns","domain":"_a._tcp.a.test","port":80,"proxyName":"p"}"#, "proxyName"),
        (#"{"name":"a","type":"static","domain":"1.2.3.4:5,unix:/run/a","proxyName":"p"}"#, "proxyName"),
        (#"{"name":"a","type":"eureka","domain":"n.test","port":80,"proxyName":"p"}"#, "proxyName"),
        (#"{"name":"a","type":"file","port":80}"#, "domain"),
        (#"{"name":"a","type":"file","domain":"etc/a.json","port":80}"#, "domain"),
        (#"{"name":"a","type":"file","domain":"/etc/","port":80}"#, "domain"),
        (#"{"name":"a","type":"file","domain":"/etc/a\u0000.json","port":80}"#, "domain"),
        (#"{"name":"a","type":"file","domain":"/etc/a.json"}"#, "port"),
        (#"{"name":"a","type":"file","domain":"/etc/a.json","port":65536}"#, "port"),
        (#"{"name":"a","type":"file","domain":"/etc/a.json","port":80,"proxyName":"p"}"#, "proxyName"),
        (#"{"name":"a","type":"file","domain":"/etc/a","port":80,"endpoints":[{"address":"10.0.0.1"}]}"#, "endpoints"),
        (#"{"name":"a","type":"nacos","domain":"n.test","port":80}"#, "properties.nacosGroups"),
        (
            #"{"name":"a","type":"nacos","domain":"n.test","port":80,"properties":{"nacosGroups":[7]}}"#,
            "properties.nacosGroups"
        ),
        (
            #"{"name":"a","type":"nacos3","domain":"n.test","port":80,"properties":{"enableMCPServer":true}}"#,
            "properties.mcpServerBaseUrl"
        ),
        (#"{"name":"a","type":"consul","domain":"n.test","port":80}"#, "properties.consulDatacenter"),
        (
            #"{"name":"a","type":"consul","domain":"n.test","port":80,"properties":{"consulDatacenter":"d","consulRefreshInterval":5}}"#,
            "properties.consulRefreshInterval"
        ),
        (#"{"name":"a","type":"static","domain":"1.2.3.4:5","vport":{"defaultValue":0}}"#, "vport.defaultValue"),
        (
            #"{"name":"a","type":"static","domain":"1.2.3.4:5","vport":{"servicesVport":[{"name":"x"}]}}"#,
            "vport.servicesVport[0].value"
        ),
    ])
    func refusesNamingTheField(json: String, field: String) throws {
        #expect(try findings(json).fields == [field])
    }

    @Test func registriesAreNamedAsNotActing() throws {
        let found = try findings(#"{"name":"a","type":"eureka","domain":"e.test","port":80}"#)
        #expect(found.warnings == ["type: the eureka registry is stored but not yet asked for services."])
    }

    @Test func endpointsAreReadFromTheDomain() throws {
        var source: Console.ServiceSource = try decode(
            #"{"name":"a","type":"static","domain":"10.0.0.5:1, [FE80::1]:2,LOCALHOST:3,unix:/run/A.sock"}"#)
        source.normalize()
        #expect(source.port == 80)
        #expect(source.domain == "10.0.0.5:1,[fe80::1]:2,localhost:3,unix:/run/A.sock")
        #expect(
            source.serviceEndpoints.map(\.text) == ["10.0.0.5:1", "[fe80::1]:2", "localhost:3", "unix:/run/A.sock"])
        #expect(source.serviceEndpoints.map(\.port) == [1, 2, 3, 0])
    }

    @Test func hostNamesOfADNSSourceShareItsPort() {
        let source = Console.ServiceSource(
            name: "api", kind: .dns, domain: "a.test,b.test", port: 8443, protocol: "grpcs")
        #expect(source.serviceEndpoints.map(\.text) == ["a.test:8443", "b.test:8443"])
        #expect(source.serviceName == "api.dns")
        #expect(source.backendProtocol == .grpcs)
        #expect(Console.Service(of: source)?.endpoints == ["a.test:8443", "b.test:8443"])
    }

    @Test func aFileIsOneEndpointUntilTheWorkerReadsIt() throws {
        var source = Console.ServiceSource(name: "shop", kind: .file, domain: "/etc/A, b.json", port: 8080)
        source.normalize()
        #expect(source.check().lines == [])
        #expect(source.domain == "/etc/A, b.json")
        #expect(source.serviceName == "shop.file" && source.offersService)
        #expect(source.serviceEndpoints.map(\.text) == ["file:/etc/A, b.json"])
        #expect(source.serviceEndpoints.map(\.port) == [8080])
    }

    @Test func thePathOfAFileIsBounded() throws {
        func fields(_ count: Int) throws -> [String] {
            let path = "/" + String(repeating: "a", count: count - 1)
            return try findings(#"{"name":"a","type":"file","domain":"\#(path)","port":80}"#).fields
        }
        #expect(try fields(512) == [])
        #expect(try fields(513) == ["domain"])
    }

    @Test(arguments: [
        ("::1", true), ("fe80::1:2", true), ("1:2:3:4:5:6:7:8", true), ("::", true), ("::ffff:1.2.3.4", true),
        ("1:2:3:4:5:6:1.2.3.4", true), ("1:2:3:4:5:6:7", false), ("1::2::3", false), (":1::", false),
        ("1:2:3:4:5:6:7::8", false), ("12345::", false), ("::1%eth0", false),
    ])
    func addressesOfVersion6AreJudged(text: String, valid: Bool) throws {
        let found = try findings(#"{"name":"a","type":"static","domain":"[\#(text)]:80"}"#)
        #expect(found.errors.isEmpty == valid)
    }
}
