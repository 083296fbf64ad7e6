// What a back end's gRPC reflection and its answers may hold: descriptors, messages by them to JSON and back, and a dialogue. Two bytes
// say how long the descriptor is; what follows it is the message, and the reflection's answer.

import FuzzDriver
import ProtobufMessages

private func target(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let start, count >= 2 else { return 0 }
    let length = min(Int(start[0]) << 8 | Int(start[1]), count - 2)
    let descriptor = Array(UnsafeBufferPointer(start: start + 2, count: length))
    let message = Array(UnsafeBufferPointer(start: start + 2 + length, count: count - 2 - length))
    var types = MessageTypes()
    if let services = try? types.add(file: descriptor) {
        for service in services { _ = types.methods(of: service) }
        if let json = try? MessageReader.json(of: "t.M", in: message, by: types, most: 100_000) {
            _ = try? MessageWriter.bytes(of: json, as: "t.M", by: types)
        }
    }
    for goal in [Reflection.Goal.services, .service("t.S")] {
        var reflection = Reflection(goal)
        _ = reflection.begin()
        _ = reflection.receive(message)
    }
    return 0
}

@main
enum Main {
    static func main() {
        fuzz { target($0, $1) }
    }
}
