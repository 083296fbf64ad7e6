// One end of the pair of sockets over which a worker hands over: messages with the descriptors that they name.

internal import COpenSSL
internal import Glibc

struct PacketSocket {
    let descriptor: Int32

    /// False: it does not fit now (EAGAIN), or the other end has gone; `errno` tells.
    func send(_ message: HandoverMessage, _ descriptors: [Int32] = []) -> Bool {
        let bytes = message.bytes
        return causeway_send_packet(descriptor, bytes, bytes.count, descriptors, Int32(descriptors.count))
            == bytes.count
    }

    enum Received {
        case message(HandoverMessage, [Int32])
        /// The other end has gone.
        case ended
    }

    /// Waits for one message; `milliseconds` -1: for ever. Descriptors that come with it are the caller's.
    func receive(milliseconds: Int32) throws(HandoverFailure) -> Received {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&entry, 1, milliseconds) == 1 else { throw HandoverFailure("the other worker says nothing") }
        var bytes = [UInt8](repeating: 0, count: HandoverMessage.sizeLimit)
        var descriptors = [Int32](repeating: -1, count: HandoverMessage.descriptorLimit)
        var count = Int32(descriptors.count)
        let length = causeway_receive_packet(descriptor, &bytes, bytes.count, &descriptors, &count)
        if length == 0 || (length < 0 && errno == ECONNRESET) { return .ended }
        guard length > 0 else { throw HandoverFailure("receiving: \(String(cString: strerror(errno)))") }
        let came = Array(descriptors.prefix(Int(count)))
        do throws(HandoverFailure) {
            let message = try HandoverMessage(bytes.prefix(length))
            let named = if case .descriptors(let list) = message { list.count } else { 0 }
            guard named == came.count else {
                throw HandoverFailure("\(came.count) descriptors came, \(named) were named")
            }
            return .message(message, came)
        } catch {
            for each in came { close(each) }
            throw error
        }
    }
}
