// The rules of routes: one row a rule, with the field that the answer names.

import ConsoleModel
import Testing

struct RouteTests {
    private static let minimum =
        #""name":"greet","path":{"matchType":"PRE","matchValue":"/"},"services":[{"name":"greeter.static"}]"#

    /// A route that is right but for `members`, which override the minimum.
    private func route(_ members: String, without removed: Set<String> = []) throws -> Console.Route {
        let base: JSONValue = try decode("{\(Self.minimum)}")
        let extra: JSONValue = try decode("{\(members)}")
        guard case .object(var object) = base, case .object(let additions) = extra else { return Console.Route() }
        object.merge(additions) { $1 }
        for name in removed { object[name] = nil }
        var route = try ConsoleJSON.decode(Console.Route.self, from: ConsoleJSON.encode(JSONValue.object(object))).value
        route.normalize()
        return route
    }

    @Test(arguments: [
        "",
        #""domains":["a.test","*.b.test"],"methods":["get","POST"]"#,
        #""path":{"matchType":"REGULAR","matchValue":"/svc/(.*)"},"rewrite":{"path":"/$1"}"#,
        #""path":{"matchType":"regular","matchValue":"^/x"},"rewrite":{"path":"$0"}"#,
        #""headers":[{"key":":authority","matchType":"EQUAL","matchValue":"a"},{"key":"X-A","matchType":"pre","matchValue":"b"}]"#,
        #""urlParams":[{"key":"q[]","matchType":"EQUAL","matchValue":""}]"#,
        #""services":[{"name":"a.static","weight":0},{"name":"b.dns","port":443,"weight":1000000}]"#,
        #""protocol":"grpc","customConfigs":{"higress.io/backend-protocol":"GRPC"}"#,
        #""rewrite":{"host":"api.test:8443"}"#, #""rewrite":{"host":"[::1]:80"}"#,
        #""timeouts":{"total":30000,"streamIdle":0},"timeout":"30s""#,
        #""streamPolicy":{"mode":"drain","after":5000}"#,
    ])
    func acceptsRoutes(members: String) throws {
        #expect(try route(members).check().lines == [])
    }

    @Test(arguments: [
        (#""name":"a.internal""#, "name"),
        (#""name":"a b""#, "name"),
        (#""name":"a\u0009b""#, "name"),
        (#""path":null"#, "path"),
        (#""path":{"matchValue":"/"}"#, "path.matchType"),
        (#""path":{"matchType":"EXACT","matchValue":"/"}"#, "path.matchType"),
        (#""path":{"matchType":"PRE"}"#, "path.matchValue"),
        (#""path":{"matchType":"PRE","matchValue":"x"}"#, "path.matchValue"),
        (#""path":{"matchType":"EQUAL","matchValue":"/a?b=1"}"#, "path.matchValue"),
        (#""path":{"matchType":"EQUAL","matchValue":"/ä"}"#, "path.matchValue"),
        (#""methods":["GET","FETCH"]"#, "methods[1]"),
        (#""headers":[{"key":"a b","matchType":"EQUAL","matchValue":"x"}]"#, "headers[0].key"),
        (#""headers":[{"key":":host","matchType":"EQUAL","matchValue":"x"}]"#, "headers[0].key"),
        (#""headers":[{"key":"a","matchType":"IS","matchValue":"x"}]"#, "headers[0].matchType"),
        (#""headers":[{"key":"a","matchType":"EQUAL","matchValue":"é"}]"#, "headers[0].matchValue"),
        (#""headers":[{"key":"a","matchType":"PRE","matchValue":""}]"#, "headers[0].matchValue"),
        (#""urlParams":[{"matchType":"EQUAL","matchValue":"x"}]"#, "urlParams[0].key"),
        (#""services":[]"#, "services"),
        (#""services":[{"port":80}]"#, "services[0].name"),
        (#""services":[{"name":"a.static"},{"name":"a.static"}]"#, "services[1].name"),
        (#""services":[{"name":"a.static","port":70000}]"#, "services[0].port"),
        (#""services":[{"name":"a.static","weight":-1}]"#, "services[0].weight"),
        (#""protocol":"SPDY""#, "protocol"),
        (#""protocol":"HTTP","customConfigs":{"nginx.ingress.kubernetes.io/backend-protocol":"GRPC"}"#, "protocol"),
        (
            #""customConfigs":{"higress.io/backend-protocol":"grpc","nginx.ingress.kubernetes.io/backend-protocol":"HTTP2"}"#,
            "customConfigs[higress.io/backend-protocol]"
        ),
        (#""customConfigs":{"higress.io/backend-protocol":"FCGI"}"#, "customConfigs[higress.io/backend-protocol]"),
        (#""customConfigs":{"higress.io/timeout":"soon"}"#, "customConfigs[higress.io/timeout]"),
        (#""customConfigs":{"higress.io/use-regex":"true"}"#, "customConfigs[higress.io/use-regex]"),
        (
            #""customConfigs":{"nginx.ingress.kubernetes.io/cors-allow-origin":"*"}"#,
            "customConfigs[nginx.ingress.kubernetes.io/cors-allow-origin]"
        ),
        (#""customConfigs":{"higress.io/exact-match-header-a":"b"}"#, "customConfigs[higress.io/exact-match-header-a]"),
        (#""customConfigs":{"higress.io/disabled.enable-cors":"b"}"#, "customConfigs[higress.io/disabled.enable-cors]"),
        (#""rewrite":{"path":"x"}"#, "rewrite.path"),
        (#""rewrite":{"path":"/a?b"}"#, "rewrite.path"),
        (#""rewrite":{"host":"a b"}"#, "rewrite.host"),
        (#""rewrite":{"host":"a.test:0"}"#, "rewrite.host"),
        (#""timeouts":{"total":-1}"#, "timeouts.total"),
        (#""timeouts":{"streamIdle":604800001}"#, "timeouts.streamIdle"),
        (#""timeout":"a while""#, "timeout"),
        (#""timeouts":{"total":1000},"timeout":"2s""#, "timeout"),
        (#""streamPolicy":{"mode":"wait"}"#, "streamPolicy.mode"),
        (#""streamPolicy":{"mode":"drain"}"#, "streamPolicy.after"),
        (#""streamPolicy":{"mode":"keep","after":5}"#, "streamPolicy.after"),
        (#""proxyNextUpstream":{"conditions":["sometimes"]}"#, "proxyNextUpstream.conditions[0]"),
        (#""proxyNextUpstream":{"attempts":-1}"#, "proxyNextUpstream.attempts"),
        (#""cors":{"maxAge":-1}"#, "cors.maxAge"),
        (#""headerControl":{"request":{"add":[{"key":"a b","value":"x"}]}}"#, "headerControl.request.add[0].key"),
        (
            #""headerControl":{"response":{"set":[{"key":"a","value":"x\u000a"}]}}"#,
            "headerControl.response.set[0].value"
        ),
        (#""authConfig":{"allowedCredentialTypes":["basic"]}"#, "authConfig.allowedCredentialTypes[0]"),
        (#""redirect":{"status":200}"#, "redirect.status"),
        (#""redirect":{"enabled":true}"#, "redirect.url"),
        (#""redirect":{"url":"ftp://x"}"#, "redirect.url"),
        (#""mock":{"status":199}"#, "mock.status"),
        (#""rateLimit":{"qps":0}"#, "rateLimit.qps"),
        (#""rateLimit":{"enabled":true}"#, "rateLimit.qps"),
        (#""webSocket":{"maxFrameSize":-1}"#, "webSocket.maxFrameSize"),
        (#""webSocket":{"maxMessageSize":4294967296}"#, "webSocket.maxMessageSize"),
        (#""ipAccess":{"allow":["10.0.0.0/33"]}"#, "ipAccess.allow[0]"),
        (#""ipAccess":{"deny":["1.2.3.4","::1/129"]}"#, "ipAccess.deny[1]"),
        (#""mirror":{"percentage":101}"#, "mirror.percentage"),
        (
            #""customConfigs":{"higress.io/whitelist-source-range":"10.0.0.0/8,here"}"#,
            "customConfigs[higress.io/whitelist-source-range]"
        ),
        (#""customConfigs":{"higress.io/route-limit-rps":"0"}"#, "customConfigs[higress.io/route-limit-rps]"),
        (
            #""customConfigs":{"nginx.ingress.kubernetes.io/permanent-redirect":"/x"}"#,
            "customConfigs[nginx.ingress.kubernetes.io/permanent-redirect]"
        ),
        (#""customLabels":{"a":"\u0000"}"#, "customLabels"),
    ])
    func refusesNamingTheField(members: String, field: String) throws {
        #expect(try route(members).check().fields == [field])
    }

    @Test(arguments: [
        (
            #""cors":{"allowOrigins":["*"],"allowCredentials":true}"#,
            "cors.allowCredentials: with every origin allowed, any site may act as the user who visits it."
        ),
        (
            #""authConfig":{"enabled":true}"#,
            "authConfig: no consumer is named, so every consumer is let in."
        ),
        (
            #""customConfigs":{"higress.io/canary-weight":"5"}"#,
            "customConfigs[higress.io/canary-weight]: has no effect without canary."
        ),
        (
            #""customConfigs":{"higress.io/canary":"true","higress.io/canary-weight":"5","higress.io/canary-by-cookie":"c"}"#,
            "customConfigs[higress.io/canary-weight]: has no effect beside canary-by-cookie."
        ),
        (
            #""customConfigs":{"higress.io/full-path-regex":"true"}"#,
            "customConfigs[higress.io/full-path-regex]: has a meaning only with the match type REGULAR."
        ),
        (
            #""customConfigs":{"nginx.ingress.kubernetes.io/auth-tls-secret":"ns/ca"}"#,
            "customConfigs[nginx.ingress.kubernetes.io/auth-tls-secret]: has no effect; clientAuth of the domain asks for client certificates."
        ),
        (
            #""customConfigs":{"higress.io/websocket-enable":"true"}"#,
            "customConfigs[higress.io/websocket-enable]: has no effect; WebSockets need no setting."
        ),
        (
            #""customConfigs":{"higress.io/upstream-keepalive-timeout":"60"}"#,
            "customConfigs[higress.io/upstream-keepalive-timeout]: is not an annotation that is known here; it has no effect."
        ),
        (
            #""customConfigs":{"team":"a"}"#,
            "customConfigs[team]: has no effect; annotations begin with higress.io/ or nginx.ingress.kubernetes.io/."
        ),
        (
            #""customConfigs":{"nginx.ingress.kubernetes.io/timeout":"5"}"#,
            "customConfigs[nginx.ingress.kubernetes.io/timeout]: is not an annotation that is known here; it has no effect."
        ),
        (#""services":[{"name":"a.static","version":"v1"}]"#, "services[0].version: subsets have no effect yet."),
    ])
    func whatDoesNotActIsNamed(members: String, warning: String) throws {
        let found = try route(members).check()
        #expect(found.errors == [])
        #expect(found.warnings == [warning])
    }

    @Test(arguments: [
        #""cors":{"enabled":false}"#, #""headerControl":{"enabled":false}"#, #""authConfig":{"enabled":false}"#,
        #""proxyNextUpstream":{"enabled":false,"attempts":3}"#, #""mock":{"enabled":false}"#,
    ])
    func whatIsSwitchedOffNeedsNoWarning(members: String) throws {
        #expect(try route(members).check() == Findings())
    }

    @Test(
        arguments: [
            ("", nil, .http), ("", "grpc", .grpc), (#""protocol":"HTTP2""#, "grpc", .http2),
            (#""customConfigs":{"nginx.ingress.kubernetes.io/backend-protocol":"grpcs"}"#, "http", .grpcs),
            (#""customConfigs":{"higress.io/backend-protocol":"GRPC"}"#, nil, .grpc),
            (#""protocol":"GRPC","customConfigs":{"higress.io/backend-protocol":"grpc"}"#, "http", .grpc),
        ] as [(String, String?, BackendProtocol)])
    func fieldWinsOverAnnotationOverSource(members: String, source: String?, expected: BackendProtocol) throws {
        let source = Console.ServiceSource(
            name: "greeter", kind: .static, domain: "127.0.0.1:1", port: 80, protocol: source)
        #expect(try route(members).backendProtocol(towards: source) == expected)
    }

    @Test(arguments: [
        ("", Console.Timeouts()),
        (
            #""timeouts":{"total":5,"responseHeaders":6,"streamIdle":7}"#,
            Console.Timeouts(responseHeaders: 6, streamIdle: 7, total: 5)
        ),
        (#""timeout":"1500ms""#, Console.Timeouts(total: 1_500)),
        (#""timeout":"2m""#, Console.Timeouts(total: 120_000)),
        (#""customConfigs":{"higress.io/timeout":"5"}"#, Console.Timeouts(total: 5_000)),
        (#""customConfigs":{"higress.io/timeout":"0"}"#, Console.Timeouts()),
        (#""customConfigs":{"higress.io/timeout":"5"},"timeouts":{"total":0}"#, Console.Timeouts(total: 0)),
        (
            #""customConfigs":{"nginx.ingress.kubernetes.io/proxy-read-timeout":"3600"}"#,
            Console.Timeouts(responseHeaders: 3_600_000, streamIdle: 3_600_000)
        ),
        (
            #""customConfigs":{"higress.io/proxy-read-timeout":"1","nginx.ingress.kubernetes.io/proxy-read-timeout":"2"}"#,
            Console.Timeouts(responseHeaders: 2_000, streamIdle: 2_000)
        ),
        (
            #""customConfigs":{"higress.io/proxy-read-timeout":"1500ms"}"#,
            Console.Timeouts(responseHeaders: 1_500, streamIdle: 1_500)
        ),
        (
            #""timeouts":{"streamIdle":1},"customConfigs":{"nginx.ingress.kubernetes.io/proxy-read-timeout":"2"}"#,
            Console.Timeouts(responseHeaders: 2_000, streamIdle: 1)
        ),
    ])
    func timeoutsComeFromFieldsThenAnnotations(members: String, expected: Console.Timeouts) throws {
        #expect(try route(members).effectiveTimeouts == expected)
    }

    @Test(
        arguments: [
            ("", nil),
            (#""customConfigs":{"higress.io/load-balance":"least_conn"}"#, Console.LoadBalancing(.leastRequest)),
            (
                #""customConfigs":{"nginx.ingress.kubernetes.io/load-balance":"round_robin"}"#,
                Console.LoadBalancing(.roundRobin)
            ),
            (#""customConfigs":{"higress.io/load-balance":"random"}"#, Console.LoadBalancing(.random)),
            (#""customConfigs":{"higress.io/load-balance":"mcp-sse"}"#, nil),
            (
                #""customConfigs":{"higress.io/load-balance":"ip_hash"}"#,
                Console.LoadBalancing(.consistentHash, hashOn: .clientAddress)
            ),
            (
                #""customConfigs":{"higress.io/upstream-hash-by":"$http_X_User_Id","higress.io/load-balance":"random"}"#,
                Console.LoadBalancing(.consistentHash, hashOn: .header, name: "x-user-id")
            ),
            (
                #""customConfigs":{"nginx.ingress.kubernetes.io/upstream-hash-by":"$arg_User_Id"}"#,
                Console.LoadBalancing(.consistentHash, hashOn: .query, name: "User_Id")
            ),
            (
                #""customConfigs":{"higress.io/upstream-hash-by":"$host"},"loadBalancing":{"policy":"random"}"#,
                Console.LoadBalancing(.random)
            ),
        ] as [(String, Console.LoadBalancing?)])
    func balancingComesFromTheFieldThenAnnotations(members: String, expected: Console.LoadBalancing?) throws {
        #expect(try route(members).effectiveLoadBalancing == expected)
    }

    @Test func normalizingMakesEqualRoutesEqual() throws {
        let one = try route(
            #""methods":["get","GET"],"protocol":"grpc","domains":["higress-default-domain"],"path":{"matchType":"pre","matchValue":"/"}"#
        )
        let other = try route(#""methods":["GET"],"protocol":"GRPC""#)
        #expect(one == other)
    }

    @Test func whatReadsShowMayBeSentBack() throws {
        #expect(try route(#""authConfig":{"enabled":false}"#) == route(""))
    }

    @Test func regularExpressionsAreListedWithTheirFields() throws {
        let found = try route(
            #""path":{"matchType":"REGULAR","matchValue":"/a","caseSensitive":false},"headers":[{"key":"a","matchType":"EQUAL","matchValue":"x"},{"key":"b","matchType":"REGULAR","matchValue":"y"}]"#
        ).regularExpressions
        #expect(found.map(\.field) == ["path.matchValue", "headers[1].matchValue"])
        #expect(found.map(\.caseSensitive) == [false, true])
    }
}
